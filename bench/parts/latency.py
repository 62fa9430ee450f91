"""How long a request takes at a rate that all can hold."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import FAILED, WAITED, Figure, Row
from bench.parts.part import Part, Target
from bench.process import spent
from bench.steady import steady

PER_SECOND = 2000
# Few of the slowest requests make a p99: in five rounds the ratio of the same code was 0.91, and 1.24 in others.
ROUNDS = 24
WITHOUT = ("nginx-tuned", "composectl-interpreted", "composectl-watched")
BARE = Row("composectl-quiet")
P50 = Figure("p50", "µs", 0)
P99 = Figure("p99", "µs", 0)


def measure(target: Target, seconds: int) -> Mapping[Figure, float]:
    """One run at the fixed rate."""
    before = spent(target.pid)
    latency = steady(target.port, PER_SECOND, seconds)
    waited = (spent(target.pid) - before).waited
    return {P50: latency.p50, P99: latency.p99, WAITED: 100 * waited / seconds, FAILED: latency.failed}


def to_bare(_: Row) -> Row:
    """The watched composectl is compared to the bare one."""
    return BARE


PART = Part("latency", f"A 24-byte answer, {PER_SECOND:,} requests/s", (P99, P50), measure, without=WITHOUT)
