"""The fewest in flight, ties in turn."""

from __future__ import annotations

from collections import Counter

import pytest

from composectl.balance.policy import LeastRequest
from tests.support.policy_driver import SIZES, acquire, backend, filled, release


@pytest.mark.parametrize("size", SIZES)
def test_requests_that_stay_are_spread_to_the_last_one(size: int) -> None:
    policy = LeastRequest()
    backends = filled(policy, size)
    for _ in range(3 * size + size // 2):
        acquire(policy)
    assert Counter(member.in_flight for member in backends) == Counter({4: size // 2, 3: size - size // 2})


@pytest.mark.parametrize("size", SIZES)
def test_the_one_that_is_rid_of_a_request_gets_the_next(size: int) -> None:
    policy = LeastRequest()
    backends = filled(policy, size)
    for _ in range(2 * size):
        acquire(policy)
    for member in backends:
        release(policy, member)
        assert acquire(policy) is member


def test_one_that_is_busy_already_is_taken_in_as_such() -> None:
    policy = LeastRequest()
    (idle,) = filled(policy, 1)
    busy = backend(2)
    busy.in_flight = 3
    policy.add(busy)
    assert [acquire(policy) for _ in range(3)] == [idle] * 3
    policy.remove(busy)
    assert acquire(policy) is idle
