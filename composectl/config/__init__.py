"""What was typed before the command, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composectl.compose.options import Options


@dataclass(frozen=True, slots=True)
class Invocation:
    """Compose's global options, the engine's (`-H`, `-c`), and the process's surroundings."""

    options: Options
    host: str | None
    context: str | None
    environ: Mapping[str, str]
    cwd: Path
