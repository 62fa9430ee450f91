"""Idle connections and streams cost little, however many there are."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from bench.figures import FAILED
from bench.idle import SPARE_DESCRIPTORS
from bench.open_calls import holding
from bench.parts import memory
from bench.parts.part import Target
from tests.bench.conftest import started

_HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_F7_P5_all_idle_connections_possible_fit_in_100_mib(ours: Target) -> None:
    plenty = _HARD_LIMIT == resource.RLIM_INFINITY or _HARD_LIMIT > 2 * memory.CONNECTIONS - SPARE_DESCRIPTORS
    reading = memory.measure(ours, memory.CONNECTIONS if plenty else _HARD_LIMIT // 3)
    assert reading[FAILED] == 0
    assert reading[memory.EACH] < 10
    assert reading[memory.RESIDENT] <= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", ["composectl", "nginx", "haproxy"])
def test_idle_streams_stay_open(name: str, prepared: None, tmp_path: Path) -> None:
    with holding(4, tmp_path) as servers, started(name, servers, tmp_path) as target:
        reading = memory.measure_streams(target, 20)
    assert reading[FAILED] == 0


def test_all_idle_streams_fit_in_150_mib(prepared: None, tmp_path: Path) -> None:
    with holding(4, tmp_path) as servers, started("composectl", servers, tmp_path) as target:
        reading = memory.measure_streams(target, memory.STREAM_CONNECTIONS)
    assert reading[FAILED] == 0
    assert reading[memory.RESIDENT] <= 150
