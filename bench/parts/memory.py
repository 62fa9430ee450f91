"""Memory with many idle connections."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.figures import FAILED, Figure
from bench.idle import answers, idle
from bench.parts.latency import WITHOUT
from bench.parts.part import Part, Target
from bench.process import resident

CONNECTIONS = 10_000
BEFORE = Figure("before", "MiB")
RESIDENT = Figure("resident", "MiB")
EACH = Figure("a connection", "KiB")

_SETTLE_SECONDS = 1.5


def measure(target: Target, connections: int) -> Mapping[Figure, float]:
    """The memory without and with so many; a connection that is lost meanwhile counts as failed."""
    before = resident(target.pid)
    with idle(target.port, connections) as clients:
        time.sleep(_SETTLE_SECONDS)
        after = resident(target.pid)
        alive = sum(map(answers, clients))
    each = (after - before) * 1024 / connections
    return {RESIDENT: after, BEFORE: before, EACH: each, FAILED: connections - alive}


# Private


def _measure(target: Target, _: int) -> Mapping[Figure, float]:
    return measure(target, CONNECTIONS)


PART = Part("memory", f"{CONNECTIONS:,} idle connections", (RESIDENT, BEFORE, EACH), _measure, without=WITHOUT, most=1)
