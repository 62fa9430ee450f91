"""All parts, by name, in the order of a whole run."""

from __future__ import annotations

from bench.parts import cpu
from bench.parts.part import Part

PARTS: dict[str, Part] = {part.name: part for part in (cpu.PART,)}
