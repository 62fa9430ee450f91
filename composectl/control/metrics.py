"""The snapshot as Prometheus reads it: pure, and the only module that knows its library, which is slow to import."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Any

from prometheus_client import ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from composectl import __version__
from composectl.balance.merge import merge_backends
from composectl.balance.phase import Phase
from composectl.balance.snapshot import BackendView, ServiceView, Snapshot
from composectl.balance.stats import HISTOGRAM

_END = b"# EOF\n"  # of OpenMetrics
_SLICE = 5  # samples
_PHASES = [phase.value for phase in Phase if phase is not Phase.GONE]
_BOUNDS = [*(str(bound / 1e6) for bound in HISTOGRAM), "+Inf"]


@dataclass(frozen=True, slots=True)
class Exposition:
    """`pieces` are to be sent one after the other; each of them is made in a fraction of a millisecond."""

    content_type: str
    pieces: Iterator[bytes]


def process_metrics() -> Sequence[Metric]:
    """Its memory, CPU time and open files, as the kernel tells them: some milliseconds where the files are many."""
    return tuple(_PROCESS.collect())


def expose(snapshot: Snapshot, process: Iterable[Metric], accept: str) -> Exposition:
    """The metrics, in the format that `accept`, the header of a scrape, asks for."""
    encode, content_type = choose_encoder(accept)
    return Exposition(content_type, _pieces(snapshot, process, encode))


def by_number(service: ServiceView) -> Iterable[BackendView]:
    """One for each number: a container that was restarted may be there twice for a moment."""
    found: dict[int, BackendView] = {}
    for backend in service.backends:
        before = found.get(backend.number)
        found[backend.number] = backend if before is None else merge_backends(backend, before)
    return found.values()


# Private

_Encode = Callable[[Collector], bytes]

_Row = tuple[Any, ...]  # the values of its own labels, then what `add_metric` takes besides

_Views = Sequence[tuple[tuple[str, ...], Any]]  # the values of the labels that it has in common with others, and a view


@dataclass(frozen=True, slots=True)
class _Family:
    """One metric, whose `value` is the path of a number in a view, or of counts by the value of `label`.

    Where it is a function, it makes the rows of the view.
    """

    make: Callable[..., Any]
    name: str
    help: str
    value: str | Callable[[Any], Iterable[_Row]]
    label: str = ""

    def of(self, common: Sequence[str], views: _Views) -> Metric:
        """The metric of these views, whose labels `common` come first."""
        metric: Metric = self.make(self.name, self.help, labels=[*common, *filter(None, [self.label])])
        for values, view in views:
            for own, *rest in self._rows(view):
                metric.add_metric([*values, *own], *rest)  # type: ignore[attr-defined]
        return metric

    def _rows(self, view: Any) -> Iterable[_Row]:
        if not isinstance(self.value, str):
            return self.value(view)
        found = attrgetter(self.value)(view)
        return _each(found) if self.label else _one(found)


class _Only(Collector):
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]


def _one(*values: Any) -> list[_Row]:
    return [((), *values)]


def _each(counts: Mapping[str, int]) -> Iterator[_Row]:
    return (((key,), count) for key, count in counts.items())


def _phase(backend: BackendView) -> Iterator[_Row]:
    return (((phase,), int(phase == backend.phase)) for phase in _PHASES)


def _durations(backend: BackendView) -> list[_Row]:
    buckets = list(zip(_BOUNDS, accumulate(backend.histogram), strict=False))
    return _one(buckets, backend.total_ms / 1000)


def _by_phase(service: ServiceView) -> Iterator[_Row]:
    phases = [backend.phase for backend in service.backends]
    return (((phase,), phases.count(phase)) for phase in _PHASES)


def _changes(service: ServiceView) -> Iterator[_Row]:
    return _each(dict.fromkeys(Phase, 0) | service.totals.changes)


def _listeners(service: ServiceView) -> Iterator[_Row]:
    return (((), {"address": listener}) for listener in service.listeners)


def _build(_: Snapshot) -> list[_Row]:
    return _one({"version": __version__, "python": platform.python_version()})


def _stale(snapshot: Snapshot) -> list[_Row]:
    return [((snapshot.project,), int(snapshot.stale_since is not None))]


def _written(snapshot: Snapshot) -> list[_Row]:
    return [((snapshot.project,), snapshot.access_log.written)] if snapshot.access_log else []


def _dropped(snapshot: Snapshot) -> list[_Row]:
    return [((snapshot.project,), snapshot.access_log.dropped)] if snapshot.access_log else []


def _name(backend: BackendView) -> list[_Row]:
    return _one({"name": backend.name, "id": backend.id, "address": backend.address})


_COUNTER, _GAUGE, _INFO, _HISTOGRAM = CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, HistogramMetricFamily
# fmt: off
_GLOBAL_FAMILIES = (
    _Family(_INFO, "composectl_build", "The version of composectl.", _build),
    _Family(_GAUGE, "composectl_stale", "Whether the engine cannot be asked what runs.", _stale, "project"),
    _Family(_COUNTER, "composectl_access_log_lines", "Lines written to the access log.", _written, "project"),
    _Family(_COUNTER, "composectl_access_log_dropped_lines",
            "Lines dropped, since the access log could not be written as fast as they came.", _dropped, "project"),
)
_SERVICE_FAMILIES = (
    _Family(_COUNTER, "composectl_service_requests",
            "Requests of clients; one that was tried on several backends counts once.", "totals.requests"),
    _Family(_COUNTER, "composectl_service_responses",
            "Responses, those of backends that are gone included.", "totals.responses", "class"),
    _Family(_COUNTER, "composectl_service_failures", "Requests that got no whole response.", "totals.failed"),
    _Family(_COUNTER, "composectl_failures",
            "Requests that got no whole response, by the reason.", "totals.failed_for", "reason"),
    _Family(_COUNTER, "composectl_retries",
            "Attempts after which another backend got the request, by the reason.", "totals.retried_for", "reason"),
    _Family(_GAUGE, "composectl_queued_requests", "Requests that wait for a ready backend.", "totals.queued"),
    _Family(_GAUGE, "composectl_backends", "Backends in each phase.", _by_phase, "phase"),
    _Family(_GAUGE, "composectl_desired_backends", "The desired number of backends.", "desired"),
    _Family(_COUNTER, "composectl_phase_changes", "Changes of a backend's phase, by the new phase.", _changes, "phase"),
    _Family(_COUNTER, "composectl_rollouts", "Rollouts, by their outcome.", "totals.rollouts", "outcome"),
    _Family(_INFO, "composectl_listener", "An address of the service.", _listeners),
)
_BACKEND_FAMILIES = (
    _Family(_COUNTER, "composectl_requests",
            "Requests that the backend answered, by the class of the response.", "responses", "class"),
    _Family(_GAUGE, "composectl_in_flight_requests", "Requests that the backend has not answered yet.", "in_flight"),
    _Family(_COUNTER, "composectl_backend_failures", "Requests that the backend failed.", "failed"),
    _Family(_COUNTER, "composectl_backend_retries", "Requests that another backend got after this one.", "retried"),
    _Family(_HISTOGRAM, "composectl_request_duration_seconds",
            "From the request to the end of its response.", _durations),
    _Family(_GAUGE, "composectl_backend_phase", "1 for the phase that the backend is in.", _phase, "phase"),
    _Family(_INFO, "composectl_backend", "The name, id and address of the backend.", _name),
)
# fmt: on
_PROCESS = ProcessCollector(registry=None)


def _pieces(snapshot: Snapshot, process: Iterable[Metric], encode: _Encode) -> Iterator[bytes]:
    services = [((snapshot.project, service.service), service) for service in snapshot.services]
    backends = [((*values, str(one.number)), one) for values, service in services for one in by_number(service)]
    for metric in process:
        yield from _encoded(encode, metric)
    yield from _families(encode, _GLOBAL_FAMILIES, (), [((), snapshot)])
    yield from _families(encode, _SERVICE_FAMILIES, ("project", "service"), services)
    yield from _families(encode, _BACKEND_FAMILIES, ("project", "service", "backend"), backends)
    last = encode(_Only(Metric("composectl", "", "unknown")))
    yield _END if last.endswith(_END) else b""


def _families(encode: _Encode, families: Iterable[_Family], common: Sequence[str], views: _Views) -> Iterator[bytes]:
    for family in families:
        for number, view in enumerate(views):
            yield from _encoded(encode, family.of(common, [view]), continued=number > 0)


def _encoded(encode: _Encode, metric: Metric, *, continued: bool = False) -> Iterator[bytes]:
    for first in range(0, max(1, len(metric.samples)), _SLICE):
        some = copy(metric)
        some.samples = metric.samples[first : first + _SLICE]
        piece = encode(_Only(some)).removesuffix(_END)
        yield _continued(piece) if continued or first else piece


def _continued(piece: bytes) -> bytes:
    """Without the lines that say what the metric is: an earlier piece did."""
    return b"".join(line for line in piece.splitlines(keepends=True) if not line.startswith(b"# "))
