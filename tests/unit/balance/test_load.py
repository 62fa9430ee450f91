"""The time integral of a load."""

from __future__ import annotations

from random import Random

import pytest

from composectl.balance.load import LoadMeter


def test_the_integral_is_that_of_what_was_there() -> None:
    meter = LoadMeter()
    for at, load in ((10.0, 4), (11.0, 4), (11.5, 4), (12.0, 0), (20.0, 0)):
        meter.sample(at, load)
    assert meter.integral == 4 * 1.5 + 2 * 0.5


def test_of_requests_between_two_samples_it_has_the_right_share() -> None:
    """Each second begins with a request of 50 ms: a load of 0.05."""
    meter, random, at = LoadMeter(), Random(1), 1.0
    while at < 1001:
        meter.sample(at, int(at % 1 < 0.05))
        at += random.uniform(0.05, 0.15)
    assert meter.integral / 1000 == pytest.approx(0.05, abs=0.01)


def test_those_of_two_processes_add_up() -> None:
    both, one, other, random = LoadMeter(), LoadMeter(), LoadMeter(), Random(2)
    for second in range(1, 100):
        loads = random.randrange(10), random.randrange(10)
        one.sample(second, loads[0])
        other.sample(second, loads[1])
        both.sample(second, sum(loads))
    assert one.integral + other.integral == pytest.approx(both.integral)
