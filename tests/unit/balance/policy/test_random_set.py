"""What is put in can be drawn, until it is taken out."""

from __future__ import annotations

from random import Random

from composectl.balance.policy.random import RandomSet
from tests.support.policy_driver import backend


def test_each_can_be_drawn_until_it_is_taken_out() -> None:
    some, backends = RandomSet(Random(1)), [backend(number) for number in range(4)]
    for one in backends:
        some.add(one)
    while backends:
        assert {some.sample() for _ in range(100)} == set(backends)
        some.remove(backends.pop(0))
    assert some.sample() is None


def test_nobody_is_drawn_where_all_are_avoided() -> None:
    some, backends = RandomSet(Random(1)), [backend(number) for number in range(3)]
    for one in backends:
        some.add(one)
    assert some.sample(backends) is None
    assert some.sample([*backends[:2], backend(9)]) is backends[2]
