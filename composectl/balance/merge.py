"""Merges the snapshots of several processes that serve the same services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from functools import reduce
from itertools import zip_longest
from typing import Any, TypeVar

from composectl.balance.snapshot import HISTOGRAM_MS, BackendView, LogView, PortView, ServiceView, Snapshot, Totals
from composectl.balance.stats import percentiles_of

_SUMMED = (
    *("in_flight", "requests", "failed", "retried"),
    *("connections", "connections_total", "bytes_received", "bytes_sent"),
)
_RATES = ("requests_per_second", "bytes_received_per_second", "bytes_sent_per_second")
_View = TypeVar("_View", BackendView, PortView, ServiceView)


def merge(first: Snapshot, *others: Snapshot) -> Snapshot:
    """One snapshot: counters and histograms are summed, all else is that of the first one that knows it.

    So `first` is the daemon's, which decides on phases and desired numbers; the order of the others does not matter.
    Percentiles come from the histograms where several processes have had responses.
    """
    return reduce(_merge_snapshots, others, first)


def merge_backends(first: BackendView, other: BackendView) -> BackendView:
    """The backend `first`, with the counters of both."""
    histogram = _sum_columns(first.histogram, other.histogram)
    if any(first.histogram) and any(other.histogram):
        p50, p95, p99 = percentiles_of(histogram, HISTOGRAM_MS, 50, 95, 99)
    else:
        known = other if any(other.histogram) else first
        p50, p95, p99 = known.p50_ms, known.p95_ms, known.p99_ms
    return replace(
        first,
        **_sum_fields(first, other),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        **{name: round(getattr(first, name) + getattr(other, name), 1) for name in _RATES},
        histogram=histogram,
        total_ms=round(first.total_ms + other.total_ms, 3),
    )


# Private


def _merge_snapshots(first: Snapshot, other: Snapshot) -> Snapshot:
    services = _by_key((*first.services, *other.services), lambda view: view.service, _merge_services)
    log = first.access_log or other.access_log
    if first.access_log and other.access_log:
        log = LogView(*map(sum, zip(astuple(first.access_log), astuple(other.access_log), strict=True)))
    return replace(first, services=tuple(services), access_log=log)


def _merge_services(first: ServiceView, other: ServiceView) -> ServiceView:
    views = (*first.backends, *other.backends)
    backends = _by_key(views, lambda view: (view.number, view.id, view.address), merge_backends)
    mine, theirs = first.totals, other.totals
    totals = replace(
        mine,
        **_sum_fields(mine, theirs),
        queued=mine.queued + theirs.queued,
        failed_for=_sum_counts(mine.failed_for, theirs.failed_for),
        retried_for=_sum_counts(mine.retried_for, theirs.retried_for),
        bad_requests=_sum_counts(mine.bad_requests, theirs.bad_requests),
        sessions_moved=mine.sessions_moved + theirs.sessions_moved,
    )
    ports = _by_key((*first.ports, *other.ports), lambda view: view.listeners, _merge_ports)
    return replace(
        first,
        ports=tuple(ports),
        totals=totals,
        backends=tuple(sorted(backends, key=lambda view: view.number)),
        last_minute=_sum_columns(first.last_minute[::-1], other.last_minute[::-1])[::-1],
    )


def _merge_ports(first: PortView, other: PortView) -> PortView:
    return replace(first, recognised=_sum_counts(first.recognised, other.recognised))


def _sum_fields(first: Totals | BackendView, other: Totals | BackendView) -> dict[str, Any]:
    counts = {name: getattr(first, name) + getattr(other, name) for name in _SUMMED}
    return counts | {"responses": _sum_counts(first.responses, other.responses)}


def _by_key(
    views: Iterable[_View], key: Callable[[_View], object], merged: Callable[[_View, _View], _View]
) -> Iterable[_View]:
    found: dict[object, _View] = {}
    for view in views:
        of = key(view)
        found[of] = merged(found[of], view) if of in found else view
    return found.values()


def _sum_counts(first: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: first.get(key, 0) + other.get(key, 0) for key in {**first, **other}}


def _sum_columns(first: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(sum, zip_longest(first, other, fillvalue=0)))
