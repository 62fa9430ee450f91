"""The time integral of a load."""

from __future__ import annotations

from random import Random

import pytest

from composectl.balance.load import CpuMeter, LoadMeter


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


def test_of_a_replica_that_comes_what_it_uses_from_then_on_counts_and_of_one_that_goes_nothing_is_lost() -> None:
    meter = CpuMeter()
    for used in ({"a": 100.0}, {"a": 103.0, "b": 50.0}, {"b": 51.5}, {"b": 52.0, "a": 1.0}, {"a": 1.5}):
        meter.read(used)
    assert meter.integral == 3.0 + 1.5 + 0.5 + 0.5


def test_a_replica_that_starts_again_takes_nothing_back() -> None:
    meter = CpuMeter()
    for used in (100.0, 2.0, 3.0):
        meter.read({"a": used})
    assert meter.integral == 1.0
