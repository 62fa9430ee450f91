"""A scale-down through nginx, which has fixed ports of all hosts written down, and through composectl."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.fixed_ports import nginx_before_fixed_ports, scale
from tests.support.load_generator import LoadGenerator
from tests.support.swarm_project import SwarmScenario

# What it has begun is lost when it is told to stop.
ENDS_AT_ONCE = """\
    command: ["sh", "-c", "backend & trap 'exit 143' TERM; wait"]
"""
KINDS = {"a server that ends well": "", "a server that ends at once": ENDS_AT_ONCE}
ROUNDS = 5
SECONDS = 0.05  # that a request takes

pytestmark = [
    pytest.mark.whole,
    pytest.mark.parametrize("lab", ["modern"], indirect=True),
    pytest.mark.parametrize("network", ["bridge"], indirect=True),
    pytest.mark.parametrize("kind", KINDS),
]


def test_composectl_loses_nothing(swarm: SwarmScenario, kind: str) -> None:
    swarm.serve(3, more=KINDS[kind])
    with swarm.under_load(f"composectl: {ROUNDS} times 3 -> 1, {kind}", 100, seconds=SECONDS) as load:
        scale_down_and_up(swarm, load, swarm.scale)
    assert load.failed == []
    assert swarm.executed_twice() == []


def test_nginx_loses_what_the_tasks_leave(swarm: SwarmScenario, kind: str) -> None:
    tasks = nginx_before_fixed_ports(swarm.project, swarm.image, swarm.state, KINDS[kind])
    with tasks, swarm.under_load(f"nginx: {ROUNDS} times 3 -> 1, {kind}", 100, seconds=SECONDS) as load:
        scale_down_and_up(swarm, load, partial(scale, swarm.project))


def scale_down_and_up(swarm: SwarmScenario, load: LoadGenerator, to: Callable[[int], None]) -> None:
    for _ in range(ROUNDS):
        for replicas in (1, 3):
            to(replicas)
            assert swarm.goes_on(load)
