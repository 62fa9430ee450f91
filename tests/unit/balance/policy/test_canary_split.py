"""New backends are held at a share of the requests, whatever the policy of the others."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import POLICIES, CanarySplit, SlowStart
from tests.support.factories import replica
from tests.support.policy_driver import acquire, backend, filled, release
from tests.support.policy_turns import NAMES, TURNS, PolicyTurns


class Scene(PolicyTurns):
    """Old backends, and new ones that are held at a share."""

    def __init__(self, name: str, old: int, share: float, new: int = 1) -> None:
        self.inner = POLICIES[name]()
        self.old = filled(self.inner, old)
        self.policy = CanarySplit(self.inner, {member.replica.id for member in self.old}, share, self.old)
        self.new = self.begin_all(old, new)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("old", [1, 3, 99])
@pytest.mark.parametrize("name", NAMES)
def test_it_gets_its_share_however_many_others_there_are(name: str, old: int, share: float) -> None:
    scene = Scene(name, old, share)
    assert scene.turns()[scene.new[0]] == pytest.approx(share * TURNS, abs=1)


@pytest.mark.parametrize("name", NAMES)
def test_several_have_it_together(name: str) -> None:
    scene = Scene(name, 3, 0.1, new=2)
    turns = scene.turns()
    assert [turns[new] for new in scene.new] == [pytest.approx(0.05 * TURNS, abs=1)] * 2


def test_its_requests_are_spread_evenly() -> None:
    scene = Scene("least-request", 3, 0.1)
    assert [scene.turns(10)[scene.new[0]] for _ in range(50)] == [1] * 50


def test_with_requests_in_flight_it_gets_no_more() -> None:
    scene, random = Scene("least-request", 3, 0.1), Random(1)
    turns, in_flight = Counter[Backend](), []
    for _ in range(4000):
        picked = acquire(scene.policy)
        turns[picked] += 1
        in_flight.append(picked)
        if len(in_flight) > 50:
            release(scene.policy, in_flight.pop(random.randrange(50)))
    assert turns[scene.new[0]] == 400


@pytest.mark.parametrize("name", NAMES)
def test_one_alone_gets_everything(name: str) -> None:
    scene = Scene(name, 1, 0.1)
    assert acquire(scene.policy, [scene.new[0]]) is scene.old[0]
    assert acquire(scene.policy, [scene.old[0]]) is scene.new[0]
    scene.policy.remove(scene.old[0])
    assert scene.turns(20) == {scene.new[0]: 20}
    scene.policy.remove(scene.new[0])
    assert scene.policy.acquire() is None


@pytest.mark.parametrize("name", NAMES)
def test_an_old_one_that_comes_back_is_not_held(name: str) -> None:
    scene = Scene(name, 1, 0.1)
    scene.policy.remove(scene.old[0])
    again = Backend(replica(1, run="2"), 0)
    scene.policy.add(again)
    assert scene.turns() == {again: 900, scene.new[0]: 100}


def test_one_that_is_ready_already_is_held_until_the_end() -> None:
    inner = POLICIES["least-request"]()
    old, new = filled(inner, 2)
    in_flight = [acquire(inner), acquire(inner)]
    policy = CanarySplit(inner, {old.replica.id}, 0.1, [old, new])
    for busy in in_flight:
        release(policy, busy)
    in_flight = [acquire(policy) for _ in range(10)]
    assert Counter(in_flight) == {old: 9, new: 1}
    assert policy.end() is inner
    for busy in in_flight:
        release(inner, busy)
    assert {acquire(inner), acquire(inner)} == {old, new}


def test_in_the_end_it_begins_slowly_where_all_do() -> None:
    now = 0.0
    inner = SlowStart(POLICIES["least-request"](), 10, lambda: now)
    old = filled(inner, 1)
    now = 100.0
    policy = CanarySplit(inner, {old[0].replica.id}, 0.1, old)
    new = backend(2)
    policy.add(new)
    assert Counter(policy.acquire() for _ in range(100)) == {old[0]: 90, new: 10}
    policy.end()
    now = 105.0
    assert Counter(inner.acquire() for _ in range(100)) == {old[0]: 75, new: 25}
