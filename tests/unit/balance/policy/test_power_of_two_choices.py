"""The less busy of two."""

from __future__ import annotations

from random import Random

from composectl.balance.policy import PowerOfTwoChoices
from tests.support.policy_driver import acquire, filled


def test_of_two_it_is_the_less_busy_one() -> None:
    policy = PowerOfTwoChoices(Random(1))
    busy, idle = filled(policy, 2)
    busy.in_flight = 5
    assert {policy.acquire() for _ in range(20)} == {idle}


def test_the_busiest_is_never_picked_where_there_is_another() -> None:
    policy = PowerOfTwoChoices(Random(1))
    busy, *others = filled(policy, 10)
    busy.in_flight = 5
    assert busy not in {policy.acquire() for _ in range(1000)}
    assert policy.acquire(others) is busy


def test_requests_that_stay_pile_up_nowhere() -> None:
    policy = PowerOfTwoChoices(Random(1))
    backends = filled(policy, 1000)
    for _ in backends:
        acquire(policy)
    assert max(member.in_flight for member in backends) <= 4  # drawn one by one it would be 5 to 7
