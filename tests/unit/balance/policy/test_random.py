"""What is put in can be drawn, until it is taken out."""

from __future__ import annotations

import random

from composectl.balance.policy import Random
from tests.support.policy_driver import backend


def test_each_can_be_drawn_until_it_is_taken_out() -> None:
    policy, backends = Random(random.Random(1)), [backend(number) for number in range(4)]
    for member in backends:
        policy.add(member)
    while backends:
        assert {policy.acquire() for _ in range(100)} == set(backends)
        policy.remove(backends.pop(0))
    assert policy.acquire() is None


def test_nothing_is_drawn_where_all_are_avoided() -> None:
    policy, backends = Random(random.Random(1)), [backend(number) for number in range(3)]
    for member in backends:
        policy.add(member)
    assert policy.acquire(backends) is None
    assert policy.acquire([*backends[:2], backend(9)]) is backends[2]
