"""Every policy is fair, and picks nobody whom it should not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.balance.backend import Backend
from composectl.balance.policy import POLICIES, LeastRequest, Policy, PowerOfTwo, RoundRobin
from tests.balance.made_up import replica

SIZES = (1, 2, 3, 10, 200)


def filled(policy: Policy, size: int) -> list[Backend]:
    backends = [Backend(replica(number), 0) for number in range(1, size + 1)]
    for backend in backends:
        policy.add(backend)
    return backends


def take(policy: Policy, avoid: Sequence[Backend] = ()) -> Backend:
    backend = policy.take(avoid)
    assert backend is not None
    backend.in_flight += 1
    return backend


def give_back(policy: Policy, backend: Backend) -> None:
    backend.in_flight -= 1
    policy.give_back(backend)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("policy", [LeastRequest, RoundRobin])
def test_one_at_a_time_everybody_has_a_turn(policy: type[LeastRequest | RoundRobin], size: int) -> None:
    chosen = policy()
    filled(chosen, size)
    turns: Counter[Backend] = Counter()
    for _ in range(5 * size):
        backend = take(chosen)
        turns[backend] += 1
        give_back(chosen, backend)
    assert set(turns.values()) == {5}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(POLICIES))
def test_it_is_fair_when_requests_end_in_any_order(name: str, size: int) -> None:
    random, policy = Random(size), POLICIES[name]()
    filled(policy, size)
    turns: Counter[Backend] = Counter()
    open_requests: list[Backend] = []
    for _ in range(200 * size):
        backend = take(policy)
        turns[backend] += 1
        open_requests.append(backend)
        if len(open_requests) > 2 * size:
            give_back(policy, open_requests.pop(random.randrange(len(open_requests))))
    assert len(turns) == size
    assert max(turns.values()) <= 1.35 * 200
    assert min(turns.values()) >= 0.65 * 200


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_nobody_is_picked_from_nobody(name: str) -> None:
    policy = POLICIES[name]()
    assert policy.take() is None
    backends = filled(policy, 2)
    for backend in backends:
        policy.remove(backend)
    assert policy.take() is None


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_who_is_to_be_avoided_is_avoided(name: str) -> None:
    policy = POLICIES[name]()
    backends = filled(policy, 3)
    for _ in range(20):
        assert take(policy, backends[:2]) is backends[2]
    assert policy.take(backends) is None


@given(st.lists(st.one_of(st.just("take"), st.integers(0, 1000)), max_size=200), st.integers(1, 8))
def test_least_request_never_picks_one_with_more_in_flight_than_another(steps: list[str | int], size: int) -> None:
    policy = LeastRequest()
    backends = filled(policy, size)
    open_requests: list[Backend] = []
    for step in steps:
        if step == "take":
            fewest = min(backend.in_flight for backend in backends)
            backend = take(policy)
            assert backend.in_flight - 1 == fewest
            open_requests.append(backend)
        elif open_requests and isinstance(step, int):
            give_back(policy, open_requests.pop(step % len(open_requests)))


def test_p2c_takes_the_less_busy_of_two() -> None:
    policy = PowerOfTwo(Random(1))
    busy, idle = filled(policy, 2)
    busy.in_flight = 5
    assert {policy.take() for _ in range(20)} == {idle}


def test_least_request_takes_in_one_that_is_busy_already() -> None:
    policy = LeastRequest()
    (idle,) = filled(policy, 1)
    busy = Backend(replica(2), 0)
    busy.in_flight = 3
    policy.add(busy)
    assert [take(policy) for _ in range(3)] == [idle] * 3
    policy.remove(busy)
    assert take(policy) is idle
