"""The snapshot as Prometheus reads it: pure, and the only module that knows its library, which is slow to import."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Any, cast

from prometheus_client import ProcessCollector, metrics_core
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
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


def process_metrics() -> Sequence[Metric]:
    """Its memory, CPU time and open files, as the kernel tells them: some milliseconds where the files are many."""
    return tuple(_PROCESS.collect())


def expose(snapshot: Snapshot, process: Iterable[Metric], accept: str) -> tuple[str, Iterator[bytes]]:
    """The content type that `accept`, the header of a scrape, asks for, and the metrics in pieces.

    Each piece is made in a fraction of a millisecond.
    """
    encode, content_type = choose_encoder(accept)
    return content_type, _pieces(snapshot, process, encode)


# Private

_Encode = Callable[[Collector], bytes]
_Views = Iterable[tuple[tuple[str, ...], Any]]  # the values of the labels that it has in common with others, and a view


@dataclass(frozen=True, slots=True)
class _Family:
    """One metric, whose `value` is found in a view by a path or a function.

    With a `label`, or several, it is a number for each value of the label, a tuple of several. Without, it is a number,
    or a list of what `add_metric` takes.
    """

    make: Callable[..., Any]
    name: str
    help: str
    value: str | Callable[[Any], Any]
    label: str = ""

    def of(self, common: Sequence[str], values: Sequence[str], view: Any) -> Metric:
        """The metric of this view; the labels `common` with their `values` come first."""
        found = attrgetter(self.value)(view) if isinstance(self.value, str) else self.value(view)
        metric: Any = self.make(self.name, self.help, labels=[*common, *self.label.split()])
        if self.label:
            for key, count in found.items():
                metric.add_metric([*values, *(key if isinstance(key, tuple) else [key])], count)
        else:
            for arguments in found if isinstance(found, list) else [(found,)]:
                metric.add_metric(values, *arguments)
        return cast(Metric, metric)


class _Only(Collector):
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]


def _durations(backend: BackendView) -> list[Any]:
    return [(list(zip(_BOUNDS, accumulate(backend.histogram), strict=False)), backend.total_ms / 1000)]


def _identity(backend: BackendView) -> dict[str, str]:
    node = {"node": backend.node} if backend.node else {}
    return {"name": backend.name, "id": backend.id, "address": backend.address} | node


def _listeners(service: ServiceView) -> list[Any]:
    protocols = {listener: port.protocol for port in service.ports for listener in port.listeners}
    return [({"address": listener, "protocol": protocols.get(listener, "")},) for listener in service.listeners]


def _recognised(service: ServiceView) -> dict[tuple[str, str], int]:
    return {
        (str(port.port or ""), protocol): count for port in service.ports for protocol, count in port.recognised.items()
    }


def _running(snapshot: Snapshot) -> int:
    return sum(worker.pid > 0 for worker in snapshot.workers)


def _by_phase(service: ServiceView) -> dict[str, int]:
    phases = [backend.phase for backend in service.backends]
    return {phase: phases.count(phase) for phase in _PHASES}


_COUNTER, _GAUGE = metrics_core.CounterMetricFamily, metrics_core.GaugeMetricFamily
_INFO, _HISTOGRAM = metrics_core.InfoMetricFamily, metrics_core.HistogramMetricFamily
# fmt: off
_GLOBAL_FAMILIES = (
    _Family(_INFO, "composectl_build", "The version of composectl.",
            lambda _: {"version": __version__, "python": platform.python_version()}),
    _Family(_GAUGE, "composectl_stale", "Whether the engine cannot be asked what runs.",
            lambda snapshot: {snapshot.project: int(snapshot.stale_since is not None)}, "project"),
    _Family(_COUNTER, "composectl_access_log_lines", "Lines written to the access log.",
            lambda snapshot: {snapshot.project: snapshot.access_log.written} if snapshot.access_log else {}, "project"),
    _Family(_COUNTER, "composectl_access_log_dropped_lines",
            "Lines dropped, since the access log could not be written as fast as they came.",
            lambda snapshot: {snapshot.project: snapshot.access_log.dropped} if snapshot.access_log else {}, "project"),
    _Family(_GAUGE, "composectl_workers", "Processes that share the listeners and run now.",
            lambda snapshot: {snapshot.project: _running(snapshot)} if snapshot.workers else {}, "project"),
    _Family(_COUNTER, "composectl_worker_restarts", "Workers that ended and were replaced.",
            lambda snapshot: {(snapshot.project, str(worker.number)): worker.restarts for worker in snapshot.workers},
            "project worker"),
)
_SERVICE_FAMILIES = (
    _Family(_COUNTER, "composectl_service_requests",
            "Requests of clients; one that was tried on several backends counts once.", "totals.requests"),
    _Family(_COUNTER, "composectl_service_responses",
            "Responses, those of backends that are gone included.", "totals.responses", "class"),
    _Family(_COUNTER, "composectl_service_failures", "Requests that got no whole response.", "totals.failed"),
    _Family(_COUNTER, "composectl_failures",
            "Requests that got no whole response, by the reason.", "totals.failed_for", "reason"),
    _Family(_COUNTER, "composectl_bad_requests",
            "Requests that were refused as they came, by the reason.", "totals.bad_requests", "reason"),
    _Family(_COUNTER, "composectl_retries",
            "Attempts after which another backend got the request, by the reason.", "totals.retried_for", "reason"),
    _Family(_COUNTER, "composectl_sessions_moved",
            "Sessions that had to leave their backend.", "totals.sessions_moved"),
    _Family(_COUNTER, "composectl_service_connections",
            "Connections that were balanced as such, those of backends that are gone included.",
            "totals.connections_total"),
    _Family(_COUNTER, "composectl_service_received_bytes",
            "Bytes from the clients of these connections, those to backends that are gone included.",
            "totals.bytes_received"),
    _Family(_COUNTER, "composectl_service_sent_bytes",
            "Bytes to the clients of these connections, those of backends that are gone included.",
            "totals.bytes_sent"),
    _Family(_COUNTER, "composectl_client_connections",
            "Connections of clients to each port of the containers, by what came.", _recognised, "port protocol"),
    _Family(_GAUGE, "composectl_queued_requests", "Requests that wait for a ready backend.", "totals.queued"),
    _Family(_GAUGE, "composectl_backends", "Backends in each phase.", _by_phase, "phase"),
    _Family(_GAUGE, "composectl_desired_backends", "The desired number of backends.", "desired"),
    _Family(_GAUGE, "composectl_asleep", "1 while the replicas are stopped until a request comes.",
            lambda service: int(service.asleep)),
    _Family(_COUNTER, "composectl_phase_changes", "Changes of a backend's phase, by the new phase.",
            lambda service: dict.fromkeys(Phase, 0) | service.totals.changes, "phase"),
    _Family(_COUNTER, "composectl_rollouts", "Rollouts, by their outcome.", "totals.rollouts", "outcome"),
    _Family(_INFO, "composectl_listener", "An address of the service, and its protocol.", _listeners),
)
_BACKEND_FAMILIES = (
    _Family(_COUNTER, "composectl_requests",
            "Requests that the backend answered, by the class of the response.", "responses", "class"),
    _Family(_GAUGE, "composectl_in_flight_requests", "Requests that the backend has not answered yet.", "in_flight"),
    _Family(_COUNTER, "composectl_backend_failures", "Requests that the backend failed.", "failed"),
    _Family(_COUNTER, "composectl_backend_retries", "Requests that another backend got after this one.", "retried"),
    _Family(_GAUGE, "composectl_open_connections", "Connections to the backend that are open now.", "connections"),
    _Family(_COUNTER, "composectl_connections",
            "Connections to the backend that were balanced as such.", "connections_total"),
    _Family(_COUNTER, "composectl_received_bytes",
            "Bytes from the clients of these connections to the backend.", "bytes_received"),
    _Family(_COUNTER, "composectl_sent_bytes",
            "Bytes from the backend to the clients of these connections.", "bytes_sent"),
    _Family(_HISTOGRAM, "composectl_request_duration_seconds",
            "From the request to the end of its response.", _durations),
    _Family(_GAUGE, "composectl_backend_phase", "1 for the phase that the backend is in.",
            lambda backend: {phase: int(phase == backend.phase) for phase in _PHASES}, "phase"),
    _Family(_INFO, "composectl_backend", "The name, id and address of the backend, and its node in a swarm.",
            _identity),
)
# fmt: on
_PROCESS = ProcessCollector(registry=None)


def _pieces(snapshot: Snapshot, process: Iterable[Metric], encode: _Encode) -> Iterator[bytes]:
    services = [((snapshot.project, service.service), service) for service in snapshot.services]
    backends = [
        ((*values, str(number)), backend)
        for values, service in services
        for number, backend in _by_number(service).items()
    ]
    for metric in process:
        yield from _encoded(encode, metric)
    yield from _families(encode, _GLOBAL_FAMILIES, (), [((), snapshot)])
    yield from _families(encode, _SERVICE_FAMILIES, ("project", "service"), services)
    yield from _families(encode, _BACKEND_FAMILIES, ("project", "service", "backend"), backends)
    last = encode(_Only(Metric("composectl", "", "unknown")))
    yield _END if last.endswith(_END) else b""


def _by_number(service: ServiceView) -> dict[int, BackendView]:
    """A container that was restarted may be there twice for a moment."""
    found: dict[int, BackendView] = {}
    for backend in service.backends:
        before = found.get(backend.number)
        found[backend.number] = backend if before is None else merge_backends(backend, before)
    return found


def _families(encode: _Encode, families: Iterable[_Family], common: Sequence[str], views: _Views) -> Iterator[bytes]:
    for family in families:
        for number, (values, view) in enumerate(views):
            yield from _encoded(encode, family.of(common, values, view), continued=number > 0)


def _encoded(encode: _Encode, metric: Metric, *, continued: bool = False) -> Iterator[bytes]:
    for first in range(0, max(1, len(metric.samples)), _SLICE):
        some = copy(metric)
        some.samples = metric.samples[first : first + _SLICE]
        piece = encode(_Only(some)).removesuffix(_END)
        if continued or first:  # an earlier piece has the lines that say what the metric is
            piece = b"".join(line for line in piece.splitlines(keepends=True) if not line.startswith(b"# "))
        yield piece
