"""The replicas of a service as series of metrics, which go by number: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from composectl.balance.snapshot import BackendView, ServiceView


def by_number(service: ServiceView) -> Iterable[BackendView]:
    """One for each number: a container that was restarted may be there twice for a moment."""
    found: dict[int, BackendView] = {}
    for backend in service.backends:
        before = found.get(backend.number)
        found[backend.number] = backend if before is None else _together(before, backend)
    return found.values()


# Private


def _together(older: BackendView, newer: BackendView) -> BackendView:
    return replace(
        newer,
        in_flight=older.in_flight + newer.in_flight,
        failed=older.failed + newer.failed,
        retried=older.retried + newer.retried,
        responses={key: count + newer.responses[key] for key, count in older.responses.items()},
        histogram=tuple(map(sum, zip(older.histogram, newer.histogram, strict=True))),
        total_ms=older.total_ms + newer.total_ms,
    )
