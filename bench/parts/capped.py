"""What `--max-in-flight` costs: the CPU time per request where no replica is at its limit, and where each one is."""

from __future__ import annotations

from bench.figures import Row
from bench.parts import cpu
from bench.parts.part import Part

WITHOUT = Row("composectl")
CAPPED = Row("composectl-capped")
QUEUED = Row("composectl-queued")


# Private


def _to_none(_: Row) -> Row:
    """All are compared to composectl without the option, which gets the same requests."""
    return WITHOUT


PART = Part(
    "capped",
    "Limited: a 24-byte answer, 64 connections to four replicas, each with at most 32 in flight, or 8",
    (cpu.CPU, cpu.USER, cpu.SYSTEM, cpu.SPEED),
    cpu.measure_plain,
    base=_to_none,
    only=(WITHOUT.peer, CAPPED.peer, QUEUED.peer),
)
