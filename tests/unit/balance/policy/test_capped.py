"""A cap holds whatever the policy, and keeps no backend idle that may get more."""

from __future__ import annotations

from random import Random

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import CanarySplit, Capped, LeastRequest
from tests.support.policies import ALL_POLICIES
from tests.support.policy_driver import acquire, backend, filled, release

NAMES = sorted(ALL_POLICIES)


class Cap:
    """A policy under a cap; `freed`: how often it told that there is room again."""

    def __init__(self, name: str, limit: int, backends: int) -> None:
        self.freed = 0
        self.policy = Capped(ALL_POLICIES[name](), limit, self._count)
        self.backends = filled(self.policy, backends)

    def _count(self) -> None:
        self.freed += 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_each_gets_as_many_as_it_may_and_then_none_does(name: str, limit: int) -> None:
    cap = Cap(name, limit, 4)
    taken = [acquire(cap.policy, client=str(number)) for number in range(4 * limit)]
    assert [member.in_flight for member in cap.backends] == [limit] * 4
    assert (cap.policy.acquire(), cap.policy.has_room, cap.freed) == (None, False, 0)
    release(cap.policy, taken[0])
    assert (cap.policy.has_room, cap.freed) == (True, 1)
    assert acquire(cap.policy) is taken[0]


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_and_goes_the_cap_holds_and_all_room_is_used(name: str) -> None:
    random, cap = Random(1), Cap(name, 2, 0)
    members, ready, in_flight = [backend(number) for number in range(5)], set[Backend](), list[Backend]()
    for _ in range(3000):
        member = random.choice(members)
        match random.randrange(8):
            case 0 if member in ready:
                cap.policy.remove(member)
                ready.discard(member)
            case 0 | 1 if member not in ready:
                cap.policy.add(member)
                ready.add(member)
            case 2 | 3 if in_flight:
                ended = in_flight.pop(random.randrange(len(in_flight)))
                ended.in_flight -= 1
                if ended in ready:
                    cap.policy.release(ended)
            case _:
                avoid = random.sample(members, random.randrange(3))
                open_ones = {each for each in ready if each.in_flight < 2 and each not in avoid}
                taken = cap.policy.acquire(avoid, str(random.random()))
                assert (taken in open_ones) if open_ones else (taken is None)
                if taken is not None:
                    taken.in_flight += 1
                    in_flight.append(taken)
        assert cap.policy.has_room == any(each.in_flight < 2 for each in ready)


def test_a_place_that_was_vacated_is_free_and_its_end_frees_no_other() -> None:
    cap = Cap("least-request", 1, 1)
    (member,) = cap.backends
    acquire(cap.policy)
    cap.policy.vacate(member)
    assert (cap.policy.has_room, cap.freed) == (True, 1)
    assert acquire(cap.policy) is member
    assert not cap.policy.has_room
    member.vacated -= 1  # as the lease of the first ends
    release(cap.policy, member)
    assert not cap.policy.has_room


def test_under_a_cap_a_canary_has_its_share() -> None:
    cap = Cap("least-request", 3, 2)
    old = {member.replica.id for member in cap.backends}
    cap.policy.policy = CanarySplit(cap.policy.policy, old, 0.1, cap.backends)
    new = backend(3)
    cap.policy.add(new)
    turns = []
    for _ in range(500):
        turns.append(acquire(cap.policy))
        release(cap.policy, turns[-1])
    assert turns.count(new) == 50
    held = [acquire(cap.policy) for _ in range(9)]
    assert (held.count(new), cap.policy.acquire()) == (3, None)


def test_least_request_is_as_fair_as_without() -> None:
    cap, free = Cap("least-request", 3, 4), LeastRequest()
    filled(free, 4)
    assert [acquire(cap.policy).replica.number for _ in range(12)] == [acquire(free).replica.number for _ in range(12)]
