"""The snapshot: the frozen state that the table, the API, `status --json` and the metrics show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from composectl.balance.backend import Backend, Counters, Transition, join_address
from composectl.balance.pool import Pool
from composectl.balance.stats import HISTOGRAM
from composectl.balance.waiting import Waiting

VERSION = 1
HISTOGRAM_MS = tuple(bound / 1000 for bound in HISTOGRAM)

_AUTO, _BY_CONNECTION = "auto", ("tcp", "tls")
_OUTPUT: dict[str, Any] = {"health_output": "", "last_lines": []}
_View = TypeVar(
    "_View",
    "Totals",
    "BackendView",
    "ChangeView",
    "ScalingView",
    "PortView",
    "ServiceView",
    "LogView",
    "WorkerView",
    "Snapshot",
    Waiting,
)


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a service since it is balanced, those of replicas that are gone included.

    `failed_for`, `retried_for` and `bad_requests` are by reason, `changes` by the new phase, `rollouts` by outcome. The
    `bad_requests` were refused as they came, and are no part of `requests`. `connections` and bytes: see `Counters`.
    `sessions_moved` had to leave their backend.
    """

    requests: int
    in_flight: int
    failed: int
    retried: int
    queued: int
    responses: dict[str, int]
    failed_for: dict[str, int] = field(default_factory=dict)
    retried_for: dict[str, int] = field(default_factory=dict)
    bad_requests: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    rollouts: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    connections_total: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    sessions_moved: int = 0


@dataclass(frozen=True, slots=True)
class BackendView:
    """One backend; latencies in milliseconds, None before the first response; `since` is ISO 8601.

    `canary`: the share of the requests that it gets with the other canaries; None where it is not one. `histogram`:
    the numbers of responses below each of the snapshot's `histogram_ms`, and at last of those above. `total_ms`: the
    sum of all durations. `connections` and bytes: see `Counters`. `node`: see `Replica`.
    """

    number: int
    id: str
    name: str
    address: str
    phase: str
    in_flight: int
    requests: int
    failed: int
    retried: int
    responses: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    since: str
    requests_per_second: float
    canary: float | None = None
    histogram: tuple[int, ...] = ()
    total_ms: float = 0.0
    connections: int = 0
    connections_total: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    bytes_received_per_second: float = 0.0
    bytes_sent_per_second: float = 0.0
    node: str = ""


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change, newest last in its list; `at` is ISO 8601."""

    at: str
    number: int
    name: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScalingView:
    """One change of the desired number, newest last in its list; `at` is ISO 8601."""

    at: str
    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True)
class PortView:
    """A published port: the container's `port`, None where each backend has its own; its listeners are `host:port`.

    `protocol`: as `--protocol` names it, or `https` where TLS ends here. `recognised`: the numbers of connections by
    what came, as `http/2`.
    """

    port: int | None
    listeners: tuple[str, ...]
    protocol: str
    recognised: dict[str, int] = field(default_factory=dict)

    @property
    def by_connection(self) -> bool:
        """Whether it is balanced by connection, as far as is known."""
        return not {self.protocol, *self.recognised}.difference(_BY_CONNECTION, [_AUTO] if self.recognised else [])


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One balanced service; `last_minute` holds the requests of each of the last 60 seconds at most, newest last.

    `waiting`: why replicas are not ready, by number.
    `notices`: what was noticed that may need another option, a sentence each.
    `sticky`: what tells its sessions, `cookie`, `cookie:NAME` or `header:NAME`; "" where it has none.
    `range`: within which its load decides, as `2..10`; "" for a fixed number. `asleep`: its replicas are stopped until
    a request comes.
    `redirect_http`: the listeners at which plain HTTP is sent on to HTTPS.
    """

    service: str
    policy: str
    listeners: tuple[str, ...]
    desired: int
    since: str
    totals: Totals
    backends: tuple[BackendView, ...]
    changes: tuple[ChangeView, ...]
    last_minute: tuple[int, ...]
    waiting: tuple[Waiting, ...] = ()
    notices: tuple[str, ...] = ()
    ports: tuple[PortView, ...] = ()
    sticky: str = ""
    range: str = ""
    asleep: bool = False
    scalings: tuple[ScalingView, ...] = ()
    redirect_http: tuple[str, ...] = ()

    @property
    def all_changes(self) -> tuple[ChangeView, ...]:
        """Those of backends, and those of the desired number under the name of the service, newest last."""
        scalings = [
            ChangeView(each.at, 0, self.service, f"{each.before}", f"{each.after}", each.reason)
            for each in self.scalings
        ]
        return tuple(sorted((*self.changes, *scalings), key=lambda change: change.at)) if scalings else self.changes

    @property
    def by_connection(self) -> bool:
        """Whether all of its ports are balanced by connection, so that there are no requests."""
        return bool(self.ports) and all(port.by_connection for port in self.ports)


@dataclass(frozen=True, slots=True)
class LogView:
    """The access log: the numbers of lines written and dropped."""

    written: int
    dropped: int


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One of the processes that share the listeners, `since` an ISO 8601 moment; its `pid` is 0 while none runs.

    `restarts`: how often another process took its place. `last_end`: how the last one ended, in words.
    """

    number: int
    pid: int
    since: str
    restarts: int
    last_end: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one running composectl, the process `pid`, knows.

    `stale_since`: the ISO 8601 moment since when the engine cannot be reached; None while it can.
    `access_log`: None where there is none. `others`: the containers beside the balanced ones that are not well.
    `logs`: the command that shows what the replicas print; "" where there is none. `workers`: none where this process
    serves alone.
    """

    version: int
    project: str
    services: tuple[ServiceView, ...]
    stale_since: str | None = None
    pid: int = 0
    access_log: LogView | None = None
    histogram_ms: tuple[float, ...] = HISTOGRAM_MS
    others: tuple[Waiting, ...] = ()
    logs: str = ""
    workers: tuple[WorkerView, ...] = ()

    def as_json(self, *, output: bool = True) -> dict[str, Any]:
        """The answer of `status --json`; without `output`, it holds nothing that containers print."""
        services = [_service_as_json(service, output) for service in self.services]
        head = {"version": self.version, "project": self.project, "pid": self.pid, "stale_since": self.stale_since}
        log = None if self.access_log is None else _flat(self.access_log)
        others = [_waiting_as_json(waiting, output) for waiting in self.others]
        head |= {"access_log": log, "histogram_ms": list(self.histogram_ms)}
        workers = [_flat(worker) for worker in self.workers]
        return head | {"services": services, "others": others, "logs": self.logs, "workers": workers}

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Snapshot:
        """The inverse of `as_json`; keys of a later version are ignored."""
        log = answer.get("access_log")
        nested = {
            "access_log": None if log is None else _pick(LogView, log),
            "histogram_ms": tuple(answer.get("histogram_ms", ())),
            "services": tuple(map(_service_from_json, answer["services"])),
            "others": tuple(map(_waiting_from_json, answer.get("others", ()))),
            "workers": tuple(_pick(WorkerView, worker) for worker in answer.get("workers", ())),
        }
        return _pick(Snapshot, {**answer, **nested})


def view_service(
    pool: Pool,
    *,
    policy: str,
    listeners: Iterable[str],
    desired: int,
    queued: int,
    port: int | None,
    changes: Iterable[Transition],
    rollouts: Mapping[str, int],
    waiting: Sequence[Waiting] = (),
    notices: Iterable[str] = (),
    ports: Iterable[PortView] = (),
    sticky: str = "",
    replica_range: str = "",
    asleep: bool = False,
    scalings: Iterable[ScalingView] = (),
    redirect_http: Iterable[str] = (),
) -> ServiceView:
    """The view of one pool, whose backends are reached on `port`; `queued` requests wait, `rollouts` are by outcome."""
    return ServiceView(
        service=pool.service,
        policy=policy,
        listeners=tuple(listeners),
        desired=desired,
        since=iso(pool.since),
        totals=_totals(pool, queued, rollouts),
        backends=tuple(_view_backend(pool, backend, port) for backend in pool.backends),
        changes=tuple(_view_change(change) for change in changes if change.service == pool.service),
        last_minute=pool.leases.rate.minute,
        waiting=tuple(waiting),
        notices=tuple(notices),
        ports=tuple(ports),
        sticky=sticky,
        range=replica_range,
        asleep=asleep,
        scalings=tuple(scalings),
        redirect_http=tuple(redirect_http),
    )


def change_as_json(change: Transition) -> dict[str, Any]:
    """A change that stands by itself, with its service."""
    return {"service": change.service} | _change_as_json(_view_change(change))


def iso(epoch: float) -> str:
    """Epoch seconds as ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")


# Private


def _totals(pool: Pool, queued: int, rollouts: Mapping[str, int]) -> Totals:
    leases, total = pool.leases, pool.leases.counters()
    return Totals(
        requests=leases.requests,
        in_flight=total.in_flight,
        failed=total.failed + leases.rejected,
        retried=total.retried,
        queued=queued,
        responses=_by_class(total),
        failed_for=dict(leases.failed_for),
        retried_for=dict(leases.retried_for),
        bad_requests=dict(leases.bad_requests),
        changes={phase: count for phase, count in pool.changes.items() if count},
        rollouts=dict(rollouts),
        connections=total.connections,
        connections_total=total.connections_total,
        bytes_received=total.bytes_received,
        bytes_sent=total.bytes_sent,
        sessions_moved=leases.sessions.moved if leases.sessions is not None else 0,
    )


def _view_backend(pool: Pool, backend: Backend, port: int | None) -> BackendView:
    p50, p95, p99 = backend.latency.percentiles(50, 95, 99)
    return BackendView(
        number=backend.replica.number,
        id=backend.replica.id[:12],
        name=backend.replica.name,
        address=join_address(*backend.replica.address(port)),
        phase=backend.phase,
        in_flight=backend.in_flight,
        requests=backend.requests,
        failed=backend.failed,
        retried=backend.retried,
        responses=_by_class(backend),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        since=iso(backend.since),
        requests_per_second=round(backend.rate.recent, 1),
        canary=pool.leases.canary_share(backend),
        histogram=tuple(backend.latency.histogram()),
        total_ms=backend.latency.total / 1000,
        connections=backend.connections,
        connections_total=backend.connections_total,
        bytes_received=backend.bytes_received,
        bytes_sent=backend.bytes_sent,
        bytes_received_per_second=round(backend.received_rate.recent, 1),
        bytes_sent_per_second=round(backend.sent_rate.recent, 1),
        node=backend.replica.node,
    )


def _view_change(change: Transition) -> ChangeView:
    return ChangeView(iso(change.at), change.number, change.name, change.before, change.after, change.reason)


def _by_class(counters: Counters) -> dict[str, int]:
    return {f"{hundred}xx": counters.responses[hundred] for hundred in range(1, 6)}


def _service_as_json(service: ServiceView, output: bool) -> dict[str, Any]:
    nested = {
        "totals": _flat(service.totals),
        "backends": [_flat(backend) for backend in service.backends],
        "changes": [_change_as_json(change) for change in service.changes],
        "waiting": [_waiting_as_json(waiting, output) for waiting in service.waiting],
        "ports": [_flat(port) for port in service.ports],
        "scalings": [_change_as_json(scaling) for scaling in service.scalings],
    }
    return _flat(service) | nested


def _change_as_json(change: ChangeView | ScalingView) -> dict[str, Any]:
    return {{"before": "from", "after": "to"}.get(name, name): value for name, value in _flat(change).items()}


def _waiting_as_json(waiting: Waiting, output: bool) -> dict[str, Any]:
    last_lines = {"last_lines": list(waiting.last_lines)}
    return {"reason": waiting.reason} | _flat(waiting) | last_lines | ({} if output else _OUTPUT)


def _flat(
    view: Totals | BackendView | ChangeView | ScalingView | PortView | ServiceView | LogView | WorkerView | Waiting,
) -> dict[str, Any]:
    # `dataclasses.asdict` copies all the way down, which a table of hundreds would feel four times a second.
    return {name: getattr(view, name) for name in view.__slots__}


def _service_from_json(service: Mapping[str, Any]) -> ServiceView:
    nested = {
        "listeners": tuple(service["listeners"]),
        "redirect_http": tuple(service.get("redirect_http", ())),
        "totals": _pick(Totals, service["totals"]),
        "backends": tuple(
            _pick(BackendView, {**backend, "histogram": tuple(backend.get("histogram", ()))})
            for backend in service["backends"]
        ),
        "changes": tuple(
            _pick(ChangeView, {**change, "before": change["from"], "after": change["to"]})
            for change in service["changes"]
        ),
        "scalings": tuple(
            _pick(ScalingView, {**scaling, "before": scaling["from"], "after": scaling["to"]})
            for scaling in service.get("scalings", ())
        ),
        "last_minute": tuple(service["last_minute"]),
        "waiting": tuple(map(_waiting_from_json, service.get("waiting", ()))),
        "notices": tuple(service.get("notices", ())),
        "ports": tuple(
            _pick(PortView, {**port, "listeners": tuple(port["listeners"])}) for port in service.get("ports", ())
        ),
    }
    return _pick(ServiceView, {**service, **nested})


def _waiting_from_json(waiting: Mapping[str, Any]) -> Waiting:
    return _pick(Waiting, {**waiting, "last_lines": tuple(waiting["last_lines"])})


def _pick(kind: type[_View], values: Mapping[str, Any]) -> _View:
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})
