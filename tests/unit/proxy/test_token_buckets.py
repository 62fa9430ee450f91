"""Token buckets: a burst at once, then a steady rate, and a bounded number of clients."""

from __future__ import annotations

import pytest

from composectl.proxy.token_buckets import RateLimit, TokenBuckets

SECOND = 1_000_000_000
NOW = 5 * SECOND


def test_a_burst_may_come_at_once_and_no_more() -> None:
    buckets = TokenBuckets(RateLimit(10, 1, 3))
    assert [buckets.take("a", NOW) for _ in range(4)] == [0, 0, 0, SECOND // 10]


def test_a_refused_request_costs_nothing() -> None:
    buckets = TokenBuckets(RateLimit(1, 1, 1))
    assert buckets.take("a", NOW) == 0
    assert [buckets.take("a", NOW + SECOND // 2) for _ in range(3)] == [SECOND // 2] * 3
    assert buckets.take("a", NOW + SECOND) == 0


@pytest.mark.parametrize(("count", "seconds"), [(3, 1), (7, 60), (1, 3600), (999_999, 1)])
def test_over_time_it_is_the_rate_and_a_burst(count: int, seconds: int) -> None:
    buckets = TokenBuckets(RateLimit(count, seconds, 1))
    step = -(-seconds * SECOND // count // 2)  # twice as often as allowed
    assert sum(buckets.take("a", NOW + number * step) == 0 for number in range(200)) == 100


@pytest.mark.parametrize(
    ("whole", "processes", "part"),
    [
        (RateLimit(10, 1, 50), 2, RateLimit(10, 2, 25)),
        (RateLimit(1, 60, 1), 4, RateLimit(1, 240, 1)),
        (RateLimit(5, 1, 7), 1, RateLimit(5, 1, 7)),
    ],
)
def test_each_process_has_its_part(whole: RateLimit, processes: int, part: RateLimit) -> None:
    assert whole.split(processes) == part


def test_each_client_has_its_own_bucket() -> None:
    buckets = TokenBuckets(RateLimit(1, 1, 1))
    assert [buckets.take(client, NOW) for client in ("a", "b", "a")] == [0, 0, SECOND]


def test_a_token_may_be_given_back() -> None:
    buckets = TokenBuckets(RateLimit(1, 1, 1))
    assert buckets.take("a", NOW) == 0
    buckets.give_back("a")
    buckets.give_back("stranger")
    assert buckets.take("a", NOW) == 0


def test_full_buckets_are_forgotten_as_others_come() -> None:
    buckets = TokenBuckets(RateLimit(1, 1, 1))
    for number in range(1000):
        buckets.take(f"{number}", NOW + number * SECOND)
    assert len(buckets) <= 2


def test_the_number_of_clients_is_bounded() -> None:
    buckets = TokenBuckets(RateLimit(1, 3600, 1), 100)
    for number in range(1000):
        buckets.take("regular", NOW + number * SECOND // 1000)
        buckets.take(f"{number}", NOW + number * SECOND // 1000)
        assert len(buckets) <= 100
    assert buckets.take("regular", NOW + SECOND) > 0  # what is seen often is not forgotten


@pytest.mark.parametrize("burst", [1, 3])
def test_a_client_gets_no_more_for_a_turn_of_its_buckets(burst: int) -> None:
    buckets = TokenBuckets(RateLimit(10, 1, burst))
    passed = sum(buckets.take("a", NOW + number * SECOND // 1000) == 0 for number in range(10_000))
    assert passed == 100 + burst - 1
