"""Latencies are told within an eighth."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.balance.stats import HISTOGRAM, Latency
from tests.support.examples import examples


def test_nothing_measured_is_none() -> None:
    assert Latency().percentiles(50, 99) == [None, None]


@examples(100)
@given(st.lists(st.integers(0, 2**40), min_size=1), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_at_most_an_eighth_above_the_truth(durations: list[int], percent: int) -> None:
    latency = Latency()
    for duration in durations:
        latency.record(duration)
    rank = max(1, -(-len(durations) * percent // 100))
    truth = min(sorted(durations)[rank - 1], 2**32 - 1)
    (percentile,) = latency.percentiles(percent)
    assert percentile is not None
    if truth < 2**31:
        assert truth / 1000 <= percentile <= max(truth * 1.125, truth + 1) / 1000


@pytest.mark.parametrize("duration", [2**32, 2**50])
def test_what_takes_over_an_hour_is_still_counted(duration: int) -> None:
    latency = Latency()
    latency.record(duration)
    assert sum(latency.counts) == 1


@examples(100)
@given(st.lists(st.integers(0, 2**40)))
def test_the_histogram_is_exact(durations: list[int]) -> None:
    latency = Latency()
    for duration in durations:
        latency.record(duration)
    below = [sum(duration < bound for duration in durations) for bound in HISTOGRAM]
    assert list(accumulate(latency.histogram())) == [*below, len(durations)]
    assert latency.total == sum(durations)
