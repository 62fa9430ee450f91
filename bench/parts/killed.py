"""What clients notice while one backend of four is killed every two seconds, and is away for one."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import FAILED, Figure
from bench.parts.part import Part, Target
from bench.wrk import Load, put

CONNECTIONS = 200
EVERY, AWAY = 2.0, 1.0
_UNDISTURBED_SECONDS = 4
_SECONDS = 16
LOST = Figure("failed", "requests", 0)
P99 = Figure("p99", "ms", 1)
SPEED = Figure("throughput", "requests/s", 0)
KEPT = Figure("of undisturbed", "x", 2)


def measure(target: Target, seconds: int, undisturbed: int = _UNDISTURBED_SECONDS) -> Mapping[Figure, float]:
    """One run without a disturbance, and one of so many seconds with it."""
    assert target.servers is not None
    load = Load(connections=CONNECTIONS)
    before = put(load, target.port, undisturbed)
    with target.servers.killed_in_turn(EVERY, AWAY):
        outcome = put(load, target.port, seconds)
    speed = outcome.requests / outcome.seconds
    return {
        P99: outcome.p99 / 1000,
        LOST: outcome.failed,
        SPEED: speed,
        KEPT: speed / (before.requests / before.seconds),
        FAILED: before.failed,
    }


PART = Part(
    "killed",
    f"A 24-byte answer, {CONNECTIONS} connections, one backend of four killed every {EVERY:g} s, away for {AWAY:g} s",
    (P99, LOST, SPEED, KEPT),
    lambda target, _: measure(target, _SECONDS),
    only=("nginx", "haproxy", "composectl"),
    most=2,
    kills=True,
)
