"""What is put in can be drawn, until it is taken out."""

from __future__ import annotations

from random import Random

from composectl.balance.policy.random import Urn
from tests.support.policy_driver import backend


def test_each_can_be_drawn_until_it_is_taken_out() -> None:
    urn, backends = Urn(Random(1)), [backend(number) for number in range(4)]
    for one in backends:
        urn.add(one)
    while backends:
        assert {urn.draw() for _ in range(100)} == set(backends)
        urn.remove(backends.pop(0))
    assert urn.draw() is None


def test_nobody_is_drawn_where_all_are_avoided() -> None:
    urn, backends = Urn(Random(1)), [backend(number) for number in range(3)]
    for one in backends:
        urn.add(one)
    assert urn.draw(backends) is None
    assert urn.draw([*backends[:2], backend(9)]) is backends[2]
