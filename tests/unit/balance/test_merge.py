"""The snapshots of several processes as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.balance.merge import merge
from composectl.balance.snapshot import VERSION, LogView, PortView, ServiceView, Snapshot, view_service
from tests.support.factories import RecordedPool
from tests.support.snapshots import backend, service, snapshot

BACKENDS = 3
NUMBERS = st.integers(1, BACKENDS)
RESPONSES = st.tuples(NUMBERS, st.sampled_from([200, 404, 503]), st.integers(0, 30_000_000))
FAILURES = st.tuples(NUMBERS, st.just(0), st.just(0))
Request = tuple[int, int, int]
PARTS = st.lists(st.lists(st.one_of(RESPONSES, FAILURES), max_size=8), min_size=1, max_size=4)


def seen(requests: Sequence[Request]) -> Snapshot:
    """What a process has counted after these requests: a backend, its status or 0, and the microseconds."""
    pool = RecordedPool(BACKENDS).pool
    for number, status, microseconds in requests:
        lease = pool.leases.acquire([backend for backend in pool.backends if backend.replica.number != number])
        assert lease is not None
        lease.backend.connections_total += 1
        lease.backend.connections += number % 2
        lease.backend.bytes_received += status
        lease.backend.bytes_sent += microseconds
        if status:
            lease.answered(status, microseconds)
        else:
            lease.failed("backend-hung-up")
    pool.leases.sample()
    view = view_service(
        pool, policy="p2c", listeners=[], desired=BACKENDS, queued=1, port=80, changes=(), rollouts={"done": 1}
    )
    return Snapshot(VERSION, "shop", (view,), access_log=LogView(len(requests), 0))


def without_percentiles(shown: Snapshot) -> ServiceView:
    (view,) = shown.services
    return replace(view, backends=tuple(replace(backend, p50_ms=0, p95_ms=0, p99_ms=0) for backend in view.backends))


@given(PARTS)
def test_the_sum_of_the_parts_is_the_whole(parts: list[list[Request]]) -> None:
    merged = merge(*map(seen, parts))
    whole = seen([request for part in parts for request in part])
    assert merged.access_log == whole.access_log
    totals = replace(whole.services[0].totals, queued=len(parts))
    assert without_percentiles(merged) == replace(without_percentiles(whole), totals=totals)


@given(PARTS, st.data())
def test_it_does_not_matter_which_are_merged_first(parts: list[list[Request]], data: st.DataObject) -> None:
    first, *others = map(seen, parts)
    at = data.draw(st.integers(0, len(others)))
    left, right = merge(first, *others[:at]), others[at:]
    assert (merge(left, merge(*right)) if right else left) == merge(first, *others)


@given(st.lists(RESPONSES, max_size=8))
def test_a_process_without_requests_changes_nothing(requests: list[Request]) -> None:
    busy = seen(requests)
    idle = replace(seen([]), access_log=None)
    (view,) = merge(busy, idle).services
    assert replace(view, totals=busy.services[0].totals) == busy.services[0]


def test_phases_and_desired_numbers_are_those_of_the_first() -> None:
    daemon = snapshot(service(1, desired=4, backends=(backend(1, phase="draining"),), changes=()))
    worker = snapshot(service(1, desired=1, backends=(backend(1, phase="ready"),)))
    (merged,) = merge(daemon, worker).services
    assert (merged.desired, merged.changes, merged.backends[0].phase) == (4, (), "draining")


def test_what_only_one_knows_is_kept_in_order() -> None:
    daemon, worker = snapshot(service(backends=(backend(1), backend(3)))), snapshot(service(backends=(backend(2),)))
    (merged,) = merge(daemon, worker).services
    assert [backend.number for backend in merged.backends] == [1, 2, 3]
    both = merge(daemon, snapshot(service(service="web")))
    assert [service.service for service in both.services] == ["echo", "web"]


def test_what_came_to_a_port_is_summed() -> None:
    port = PortView(80, ("0.0.0.0:80",), "auto", {"http/2": 1})
    other = replace(port, recognised={"http/1.1": 2, "http/2": 3})
    (merged,) = merge(snapshot(service(ports=(port,))), snapshot(service(ports=(other,)))).services
    assert merged.ports == (replace(port, recognised={"http/2": 4, "http/1.1": 2}),)


def test_rates_are_summed_from_the_newest_second() -> None:
    older = snapshot(service(last_minute=(1, 2, 3), backends=(backend(1, requests_per_second=1.5),)))
    newer = snapshot(service(last_minute=(10,), backends=(backend(1, requests_per_second=2.0),)))
    (merged,) = merge(older, newer).services
    assert (merged.last_minute, merged.backends[0].requests_per_second) == ((1, 2, 13), 3.5)


@pytest.mark.parametrize("percent", ["p50_ms", "p95_ms", "p99_ms"])
def test_percentiles_are_within_the_bounds_of_the_histogram(percent: str) -> None:
    parts = [seen([(1, 200, 1000 * duration) for duration in range(start, 200, 2)]) for start in (1, 2)]
    whole = getattr(seen([(1, 200, 1000 * duration) for duration in range(1, 200)]).services[0].backends[0], percent)
    merged = getattr(merge(*parts).services[0].backends[0], percent)
    assert whole / 2 <= merged <= 2 * whole
