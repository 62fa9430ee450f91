"""What two runs of a container have counted, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.balance.merge import merge_backends
from composectl.balance.snapshot import BackendView, view_service
from tests.support.factories import RecordedPool
from tests.support.snapshots import backend

RESPONSES = st.tuples(st.sampled_from([200, 404, 503]), st.integers(0, 30_000_000))
FAILURES = st.just((0, 0))
REQUESTS = st.lists(st.one_of(RESPONSES, FAILURES), max_size=8)
Request = tuple[int, int]


def seen(requests: Sequence[Request]) -> BackendView:
    """What is shown of a backend after these requests: of each the status, or 0, and the microseconds."""
    pool = RecordedPool(1).pool
    for status, microseconds in requests:
        lease = pool.leases.acquire()
        assert lease is not None
        lease.backend.connections_total += 1
        lease.backend.connections += status % 2
        lease.backend.bytes_received += status
        lease.backend.bytes_sent += microseconds
        if status:
            lease.answered(status, microseconds)
        else:
            lease.failed("backend-hung-up")
    pool.leases.sample()
    shown = view_service(pool, policy="p2c", listeners=[], desired=1, queued=0, port=80, changes=(), rollouts={})
    (view,) = shown.backends
    return view


def without_percentiles(view: BackendView) -> BackendView:
    return replace(view, p50_ms=0, p95_ms=0, p99_ms=0)


@given(REQUESTS, REQUESTS)
def test_the_sum_of_both_is_the_whole(some: list[Request], others: list[Request]) -> None:
    merged = merge_backends(seen(some), seen(others))
    assert without_percentiles(merged) == without_percentiles(seen([*some, *others]))


@given(REQUESTS)
def test_one_without_requests_changes_nothing(requests: list[Request]) -> None:
    assert merge_backends(seen(requests), seen([])) == seen(requests)


def test_phase_and_name_are_those_of_the_first() -> None:
    merged = merge_backends(backend(1, phase="draining"), backend(2, phase="ready"))
    assert (merged.number, merged.phase) == (1, "draining")


def test_rates_are_summed() -> None:
    assert (
        merge_backends(backend(1, requests_per_second=1.5), backend(1, requests_per_second=2.0)).requests_per_second
        == 3.5
    )


@pytest.mark.parametrize("percent", ["p50_ms", "p95_ms", "p99_ms"])
def test_percentiles_are_within_the_bounds_of_the_histogram(percent: str) -> None:
    parts = [seen([(200, 1000 * duration) for duration in range(start, 200, 2)]) for start in (1, 2)]
    whole = getattr(seen([(200, 1000 * duration) for duration in range(1, 200)]), percent)
    merged = getattr(merge_backends(*parts), percent)
    assert whole / 2 <= merged <= 2 * whole
