"""The share of a new backend rises, linearly, from nothing to that of the others."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import POLICIES, SlowStart
from tests.support.policy_driver import acquire, filled, release
from tests.support.policy_turns import NAMES, TURNS, PolicyTurns

SECONDS = 10.0


class Scene(PolicyTurns):
    """Backends that have started long ago, and new ones; `now` is in the hands of the test."""

    def __init__(self, name: str, old: int, new: int = 1) -> None:
        self.now = 0.0
        self.policy = SlowStart(POLICIES[name](), SECONDS, lambda: self.now)
        self.old = filled(self.policy, old)
        self.now = 100.0
        self.new = self.begin_all(old, new)


@pytest.mark.parametrize("part", [0.1, 0.25, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("old", [1, 2, 9, 99])
@pytest.mark.parametrize("name", NAMES)
def test_the_share_grows_with_the_time_that_has_passed(name: str, old: int, part: float) -> None:
    scene = Scene(name, old)
    scene.now += part * SECONDS
    assert scene.turns()[scene.new[0]] == pytest.approx(part * TURNS / (old + 1), abs=1)


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("name", NAMES)
def test_so_is_that_of_each_of_several(name: str, part: float) -> None:
    scene = Scene(name, old=2, new=8)
    scene.now += part * SECONDS
    turns = scene.turns()
    assert [turns[new] for new in scene.new] == [pytest.approx(part * TURNS / 10, abs=2)] * 8


@pytest.mark.parametrize("name", ["least-request", "round-robin"])
def test_afterwards_it_is_equal(name: str) -> None:
    scene = Scene(name, old=4)
    scene.turns(100)
    scene.now += SECONDS
    assert scene.turns() == Counter(dict.fromkeys([*scene.old, *scene.new], TURNS // 5))


@pytest.mark.parametrize("name", NAMES)
def test_in_all_that_time_it_gets_half_of_what_it_would_get(name: str) -> None:
    scene, turns = Scene(name, old=4), Counter[Backend]()
    for _ in range(TURNS):
        turns += scene.turns(1)
        scene.now += SECONDS / TURNS
    assert turns[scene.new[0]] == pytest.approx(TURNS / 5 / 2, abs=2)


def test_its_requests_are_spread_evenly() -> None:
    scene = Scene("least-request", old=4)
    scene.now += SECONDS / 2
    gaps = [scene.turns(10)[scene.new[0]] for _ in range(50)]
    assert gaps == [1] * 50


@pytest.mark.parametrize("name", NAMES)
def test_where_all_are_new_they_take_everything_in_turn(name: str) -> None:
    scene = Scene(name, old=0, new=4)
    assert scene.turns(400) == Counter(dict.fromkeys(scene.new, 100))
    scene.now += SECONDS / 2
    assert scene.turns(400) == Counter(dict.fromkeys(scene.new, 100))


@pytest.mark.parametrize("name", NAMES)
def test_of_two_new_ones_the_older_gets_more(name: str) -> None:
    scene = Scene(name, old=0)
    scene.now += SECONDS / 2
    newer = scene.begin(9)
    scene.now += SECONDS / 4
    assert scene.turns(400) == {scene.new[0]: 300, newer: 100}


def test_with_requests_in_flight_it_gets_no_more() -> None:
    scene, random = Scene("least-request", old=9), Random(1)
    scene.now += SECONDS / 4
    turns, in_flight = Counter[Backend](), []
    for _ in range(4000):
        picked = acquire(scene.policy)
        turns[picked] += 1
        in_flight.append(picked)
        if len(in_flight) > 50:
            release(scene.policy, in_flight.pop(random.randrange(50)))
    assert turns[scene.new[0]] == 100


def test_a_backend_that_comes_back_begins_anew() -> None:
    scene = Scene("least-request", old=2)
    scene.policy.remove(scene.old[0])
    scene.now += SECONDS
    scene.policy.add(scene.old[0])
    scene.now += SECONDS / 4
    assert scene.turns(600)[scene.old[0]] == pytest.approx(50, abs=1)


def test_a_started_backend_is_left_to_the_policy_alone() -> None:
    scene = Scene("least-request", old=2)
    busy = acquire(scene.policy, scene.old)
    scene.now += SECONDS
    assert {acquire(scene.policy) for _ in range(2)} == set(scene.old)
    release(scene.policy, busy)
    assert acquire(scene.policy) is scene.new[0]
