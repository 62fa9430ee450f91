"""Merges what was counted for one backend in two runs of its container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from composectl.balance.snapshot import HISTOGRAM_MS, BackendView
from composectl.balance.stats import percentiles_of

_SUMMED = (
    *("in_flight", "requests", "failed", "retried"),
    *("connections", "connections_total", "bytes_received", "bytes_sent"),
)
_RATES = ("requests_per_second", "bytes_received_per_second", "bytes_sent_per_second")


def merge_backends(first: BackendView, other: BackendView) -> BackendView:
    """The backend `first`, with the counters of both; percentiles come from the histograms where both have any."""
    histogram = tuple(map(sum, zip(first.histogram, other.histogram, strict=True)))
    if any(first.histogram) and any(other.histogram):
        p50, p95, p99 = percentiles_of(histogram, HISTOGRAM_MS, 50, 95, 99)
    else:
        known = other if any(other.histogram) else first
        p50, p95, p99 = known.p50_ms, known.p95_ms, known.p99_ms
    counts = {name: getattr(first, name) + getattr(other, name) for name in _SUMMED}
    rates = {name: round(getattr(first, name) + getattr(other, name), 1) for name in _RATES}
    return replace(
        first,
        **counts,
        **rates,
        responses=_sum_counts(first.responses, other.responses),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        histogram=histogram,
        total_ms=round(first.total_ms + other.total_ms, 3),
    )


# Private


def _sum_counts(first: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: first.get(key, 0) + other.get(key, 0) for key in {**first, **other}}
