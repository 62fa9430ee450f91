"""Each gets a share: exactly where it is counted, and within chance where it is drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from math import sqrt

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import LeastRequest, Policy, PowerOfTwoChoices, Random, RoundRobin
from tests.support.policy_driver import SIZES, acquire, filled, release

COUNTED: list[Callable[[], Policy]] = [LeastRequest, RoundRobin]
DRAWN: list[Callable[[random.Random], Policy]] = [Random, PowerOfTwoChoices]
SHARE = 100


def one_at_a_time(policy: Policy, requests: int) -> Counter[Backend]:
    turns: Counter[Backend] = Counter()
    for _ in range(requests):
        backend = acquire(policy)
        turns[backend] += 1
        release(policy, backend)
    return turns


def in_any_order(policy: Policy, requests: int, in_flight: int, rng: random.Random) -> Counter[Backend]:
    """So many requests, of which so many are in flight at once, and any of those ends next."""
    turns: Counter[Backend] = Counter()
    begun: list[Backend] = []
    for _ in range(requests):
        backend = acquire(policy)
        turns[backend] += 1
        begun.append(backend)
        if len(begun) > in_flight:
            release(policy, begun.pop(rng.randrange(len(begun))))
    return turns


def within_chance(turns: Counter[Backend], backends: list[Backend]) -> bool:
    """Six standard deviations from the share: beyond that it is once in 500 million."""
    return all(abs(turns[backend] - SHARE) <= 6 * sqrt(SHARE) for backend in backends)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", COUNTED)
def test_one_at_a_time_each_has_a_turn(make: Callable[[], Policy], size: int) -> None:
    policy = make()
    backends = filled(policy, size)
    assert one_at_a_time(policy, 5 * size) == Counter(dict.fromkeys(backends, 5))


@pytest.mark.parametrize("size", SIZES)
def test_each_has_its_turn_in_whatever_order_requests_end(size: int) -> None:
    policy = RoundRobin()
    backends = filled(policy, size)
    assert in_any_order(policy, 5 * size, 2 * size, random.Random(size)) == Counter(dict.fromkeys(backends, 5))


@pytest.mark.parametrize("size", SIZES)
def test_in_flight_least_request_is_as_fair_as_chance(size: int) -> None:
    policy = LeastRequest()
    backends = filled(policy, size)
    assert within_chance(in_any_order(policy, SHARE * size, 2 * size, random.Random(size)), backends)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", DRAWN)
def test_what_is_drawn_is_even_within_chance(make: Callable[[random.Random], Policy], size: int) -> None:
    policy = make(random.Random(size))
    backends = filled(policy, size)
    assert within_chance(one_at_a_time(policy, SHARE * size), backends)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", DRAWN)
def test_so_it_is_with_requests_in_flight(make: Callable[[random.Random], Policy], size: int) -> None:
    policy = make(random.Random(size))
    backends = filled(policy, size)
    assert within_chance(in_any_order(policy, SHARE * size, 2 * size, random.Random(size)), backends)


@pytest.mark.parametrize("make", DRAWN)
def test_a_backend_that_came_back_is_drawn_as_often_as_others(make: Callable[[random.Random], Policy]) -> None:
    policy = make(random.Random(1))
    backends = filled(policy, 10)
    for backend in (backends[0], backends[4], backends[9]):
        policy.remove(backend)
    policy.add(backends[4])
    there = [*backends[1:9]]
    turns = one_at_a_time(policy, SHARE * len(there))
    assert set(turns) == set(there)
    assert within_chance(turns, there)


@pytest.mark.parametrize("make", DRAWN)
def test_without_one_that_is_avoided_the_others_are_even(make: Callable[[random.Random], Policy]) -> None:
    policy = make(random.Random(1))
    avoided, *others = filled(policy, 5)
    turns = Counter(policy.acquire((avoided,)) for _ in range(SHARE * len(others)))
    assert set(turns) == set(others)
    assert all(abs(turns[backend] - SHARE) <= 6 * sqrt(SHARE) for backend in others)
