"""How many replicas a load needs: within bounds, without flapping, and never fewer for more load."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composectl.balance.autoscale import AutoscaleConfig, Autoscaler, Decision, Sample
from composectl.balance.replica_range import ReplicaRange
from tests.support.examples import examples

CONFIG = AutoscaleConfig(target_in_flight=10)
LOADS = st.lists(st.integers(0, 500), min_size=1, max_size=200)
BOUNDS = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: ReplicaRange(min(pair), max(*pair, 1)))


class Service:
    """A service under an autoscaler, with a load each second; replicas are ready `start` seconds after they came."""

    def __init__(self, bounds: ReplicaRange, config: AutoscaleConfig = CONFIG, start: int = 0) -> None:
        self.autoscaler = Autoscaler(bounds, config)
        self.desired = [bounds.within(0)]
        self.decisions: list[Decision] = []
        self._start = start
        self._at = self._load = self._cpu = 0.0
        self._requests = 0

    def second(self, load: float, cpu: float = 0.0, capacity: int | None = None) -> int:
        self._at, self._load, self._cpu = self._at + 1, self._load + load, self._cpu + cpu
        self._requests += load > 0
        self.autoscaler.observe(Sample(self._at, self._load, self._cpu, self._requests))
        ready = min(self.desired[-self._start - 1 :])
        decision = self.autoscaler.decide(ready, self.desired[-1], capacity)
        self.decisions.append(decision)
        self.desired.append(decision.desired)
        return decision.desired

    def seconds(self, loads: Iterable[float], **how: Any) -> list[int]:
        return [self.second(load, **how) for load in loads]


# Properties


@settings(examples(100))
@given(LOADS, BOUNDS, st.integers(0, 20))
def test_it_never_leaves_the_range_and_never_sleeps_while_there_is_load(
    loads: list[int], bounds: ReplicaRange, start: int
) -> None:
    service = Service(bounds, start=start)
    assert all(max(1, bounds.least) <= desired <= bounds.most for desired in service.seconds(loads))


@settings(examples(100))
@given(st.floats(0, 1000), st.integers(0, 30), st.integers(1, 40))
def test_a_constant_load_never_flaps(load: float, start: int, target: int) -> None:
    service = Service(ReplicaRange(1, 1000), AutoscaleConfig(target_in_flight=target), start)
    service.seconds([load] * 200)
    rest = service.seconds([load] * 200)
    assert set(rest) == {max(1, ceil(load / target - 1e-9))}


@settings(examples(100))
@given(st.data(), LOADS, st.integers(0, 10))
def test_more_load_never_leads_to_fewer_replicas(data: st.DataObject, loads: list[int], ready: int) -> None:
    more = [load + data.draw(st.integers(0, 100)) for load in loads]
    one, other = (Autoscaler(ReplicaRange(1, 1000), CONFIG) for _ in range(2))
    wanted, of_more = _decisions(one, loads, ready), _decisions(other, more, ready)
    assert all(few <= many for few, many in zip(wanted, of_more, strict=True))


@settings(examples(50))
@given(LOADS, st.integers(1, 20))
def test_the_same_samples_lead_to_the_same_decisions(loads: list[int], ready: int) -> None:
    decisions = [_decisions(Autoscaler(ReplicaRange(0, 99), CONFIG), loads, ready) for _ in range(2)]
    assert decisions[0] == decisions[1]


def _decisions(autoscaler: Autoscaler, loads: Iterable[int], ready: int) -> list[int]:
    """With always so many ready, whatever was decided before."""
    integral, found = 0.0, []
    for second, load in enumerate(loads, 1):
        integral += load
        autoscaler.observe(Sample(second, integral, requests=second))
        found.append(autoscaler.decide(ready, ready).desired)
    return found


# What Knative's documents say


def test_the_average_of_a_minute_decides_while_the_load_is_steady() -> None:
    service = Service(ReplicaRange(1, 100))
    service.seconds([30] * 100)
    assert service.seconds([40] * 30)[-1] == 4  # an average of 35
    assert not service.decisions[-1].panics
    assert service.seconds([40] * 60)[-1] == 4


def test_where_the_load_doubles_six_seconds_decide_and_nothing_is_taken_back_for_a_minute() -> None:
    service = Service(ReplicaRange(1, 100))
    service.seconds([10] * 100)
    assert service.seconds([60] * 6)[-1] == 6
    assert service.decisions[-1].panics
    assert service.decisions[-1].reason == "60.0 in flight over 6 s"
    after = service.seconds([9] * 70)
    assert set(after[:50]) == {6}
    assert after[-1] == 1


def test_nine_tenths_of_what_the_last_seconds_need_are_a_floor() -> None:
    service = Service(ReplicaRange(1, 100))
    service.seconds([100] * 100)
    assert service.seconds([150] * 6)[-1] == 14  # the average of a minute is 105
    assert service.decisions[-1] == Decision(14, "150.0 in flight over 6 s", panics=False)


def test_it_falls_by_a_hair_only_after_a_stable_window() -> None:
    service = Service(ReplicaRange(1, 100))
    service.seconds([11] * 100)
    after = service.seconds([9.5] * 120)
    needed_for = next(at for at in range(60) if 11 + (9.5 - 11) * (at + 1) / 60 <= 10)
    assert set(after[: needed_for + 59]) == {2}
    assert set(after[needed_for + 59 :]) == {1}
    service.seconds([11] * 100)
    assert 1 in service.seconds([5] * 60)


def test_what_is_on_its_way_counts_where_growth_is_limited() -> None:
    service = Service(ReplicaRange(1, 1000), AutoscaleConfig(target_in_flight=1, panic_window=1), start=30)
    assert service.seconds([900] * 4) == [1, 10, 100, 900]


def test_in_one_step_it_grows_tenfold_at_most_and_shrinks_by_half() -> None:
    service = Service(ReplicaRange(1, 1000), AutoscaleConfig(target_in_flight=1, stable_window=6, panic_window=1))
    assert service.seconds([900] * 4) == [1, 10, 100, 900]  # one sample is no average
    after = service.seconds([0] * 30)
    assert [after[at + 1] for at, desired in enumerate(after[:-1]) if desired == 900][-1] == 450
    assert after[-1] == 1


def test_after_a_delay_the_most_of_it_counts() -> None:
    config = AutoscaleConfig(target_in_flight=10, stable_window=6, panic_window=1, scale_down_delay=20)
    service = Service(ReplicaRange(1, 100), config)
    service.seconds([40] * 30)
    after = service.seconds([10] * 60)
    assert set(after[:18]) == {4}
    assert "after a delay of 20 s" in service.decisions[-50].reason
    assert after[-1] == 1


def test_at_the_most_it_says_so() -> None:
    service = Service(ReplicaRange(1, 3))
    service.seconds([100] * 100)
    assert service.decisions[-1] == Decision(3, "100.0 in flight over 6 s, at most 3", panics=True)


@pytest.mark.parametrize(("cap", "target"), [(None, 10.0), (1, 1.0), (8, 6.0), (100, 75.0)])
def test_without_a_target_it_is_ten_or_three_quarters_of_the_cap(cap: int | None, target: float) -> None:
    assert AutoscaleConfig().target(cap) == target
    assert AutoscaleConfig(target_in_flight=7).target(cap) == 7


def test_nothing_is_removed_before_it_has_seen_a_stable_window() -> None:
    service = Service(ReplicaRange(1, 100))
    service.desired.append(8)
    assert set(service.seconds([0] * 60)) == {8}
    assert service.second(0) == 4


# CPU, memory, and sleep


def test_of_load_and_cpu_the_larger_wins() -> None:
    service = Service(ReplicaRange(1, 100), AutoscaleConfig(target_in_flight=10, target_cpu=0.5))
    assert service.seconds([20] * 100, cpu=0.5)[-1] == 2
    assert service.seconds([20] * 100, cpu=2.0)[-1] == 4
    assert service.decisions[-1].reason == "50% of the CPUs over 60 s"


def test_without_memory_for_more_it_does_not_grow_and_may_shrink() -> None:
    service = Service(ReplicaRange(1, 100))
    service.seconds([20] * 100)
    assert set(service.seconds([90] * 100, capacity=0)) == {2}
    assert service.decisions[-1].reason == "90.0 in flight over 6 s, and too little memory for more"
    assert service.seconds([90] * 3, capacity=1) == [3, 4, 5]
    assert service.seconds([0] * 200, capacity=0)[-1] == 1


def test_without_a_request_for_long_enough_it_sleeps_where_it_may() -> None:
    config = AutoscaleConfig(sleep_after=100)
    service, awake = Service(ReplicaRange(0, 5), config), Service(ReplicaRange(1, 5), config)
    service.seconds([1] * 10)
    assert set(service.seconds([0] * 99)) == {1}
    assert service.second(0) == 0
    assert service.decisions[-1].reason == "no request for 100 s"
    assert set(awake.seconds([1] * 10 + [0] * 200)) == {1}


def test_a_request_that_began_and_ended_between_two_samples_keeps_it_awake() -> None:
    autoscaler = Autoscaler(ReplicaRange(0, 5), AutoscaleConfig(sleep_after=10))
    for second in range(100):
        autoscaler.observe(Sample(second, 0.0, requests=second // 5))
        assert autoscaler.decide(1, 1).desired == 1


def test_when_it_is_woken_it_knows_nothing_of_the_time_before() -> None:
    service = Service(ReplicaRange(0, 20), AutoscaleConfig(target_in_flight=10, sleep_after=10))
    assert service.seconds([0] * 100)[-1] == 0
    service.autoscaler.restart()
    service.desired.append(1)
    assert service.second(100) == 1  # one sample is no average
    assert service.second(100) == 10
