"""What the daemon tells its workers, and what they tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from composectl.balance.backend import Replica
from composectl.balance.counts import LeaseCounts
from composectl.balance.phase import Phase
from composectl.compose.ports import Port
from composectl.config.daemon import AccessLogConfig
from composectl.config.service import BalancingConfig
from composectl.daemon.routing import NO_ROUTING, Routing
from composectl.daemon.tls_plan import TlsPlan
from composectl.proxy.protocol import Protocol

# To the process that starts workers, and from it


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What a worker makes the data plane of a service from; `session_scope`: see `make_session_fields`.

    `tls`: of its own ports, None where none takes it.
    """

    name: str
    protocols: Mapping[Port, Protocol]
    balancing: BalancingConfig
    session_scope: str
    routing: Routing = NO_ROUTING
    tls: TlsPlan | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A worker to start: its `number` of `workers`, from 0. Its descriptors: a channel, the seats, and the log's file.

    `max_connections`: of all workers together.
    """

    number: int
    workers: int
    services: tuple[ServicePlan, ...]
    max_connections: int | None = None
    access_log: AccessLogConfig | None = None


@dataclass(frozen=True, slots=True)
class Started:
    number: int
    pid: int


@dataclass(frozen=True, slots=True)
class Ended:
    """`status`: as waitpid(2) has it."""

    pid: int
    status: int


# To a worker


@dataclass(frozen=True, slots=True)
class Follow:
    """A replica, and the phase of its backend, which all processes call `ref`.

    Where there is a cap, its descriptor is that of the backend's places, whose number on the board is `number`.
    """

    service: str
    ref: int
    replica: Replica
    phase: Phase
    number: int = -1


@dataclass(frozen=True, slots=True)
class Canary:
    """The share of all replicas but these; None where it is over."""

    service: str
    old: frozenset[str] = frozenset()
    share: float | None = None


@dataclass(frozen=True, slots=True)
class ReleaseSessions:
    """A backend in maintenance keeps its sessions no longer."""

    service: str
    ref: int


@dataclass(frozen=True, slots=True)
class Serve:
    """Accept clients: a descriptor of a listening socket for each of these ports, the parts of which come in turn."""

    service: str
    ports: tuple[Port, ...]
    is_last: bool


@dataclass(frozen=True, slots=True)
class Cut:
    service: str
    ref: int
    spare_streams: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """End with the clients of a service, in one of the ways of `DataPlane`, and tell `Done`."""

    service: str
    how: str
    number: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """Tell all that was counted, then `Done`."""

    number: int


@dataclass(frozen=True, slots=True)
class ReopenLog:
    pass


@dataclass(frozen=True, slots=True)
class MakeRoom:
    """Clients of other workers wait: end idle ones."""


# From a worker


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted for a service since the last time, and what waits or was recognised in all, by port.

    `load`: what was in flight and queued since the last time, in request-seconds.
    """

    service: str
    counts: LeaseCounts
    queued: int
    load: float
    recognised: Mapping[Port, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Logged:
    """The numbers of lines in the access log, in all."""

    written: int
    dropped: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Done:
    number: int


@dataclass(frozen=True, slots=True)
class Outlier:
    service: str
    ref: int
    error: str


@dataclass(frozen=True, slots=True)
class Untrusted:
    service: str
    client: str


@dataclass(frozen=True, slots=True)
class Silent:
    service: str
    port: Port


@dataclass(frozen=True, slots=True)
class Noticed:
    """A sentence that is of use for a while."""

    service: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Said:
    """Lines for stderr."""

    text: str


# Both ways


@dataclass(frozen=True, slots=True)
class SessionMade:
    """A backend has made a session, of which only the worker knows that relayed it."""

    service: str
    session: bytes
    ref: int
