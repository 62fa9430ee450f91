"""Idle connections cost little, however many there are."""

from __future__ import annotations

import resource

from bench.figures import FAILED
from bench.idle import SPARE_DESCRIPTORS
from bench.parts import memory
from bench.parts.part import Target

_HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_F7_P5_all_idle_connections_possible_fit_in_100_mib(ours: Target) -> None:
    plenty = _HARD_LIMIT == resource.RLIM_INFINITY or _HARD_LIMIT > 2 * memory.CONNECTIONS - SPARE_DESCRIPTORS
    reading = memory.measure(ours, memory.CONNECTIONS if plenty else _HARD_LIMIT // 3)
    assert reading[FAILED] == 0
    assert reading[memory.EACH] < 10
    assert reading[memory.RESIDENT] <= 100
