"""How a service is balanced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from composectl import errors
from composectl.balance.autoscale import AutoscaleConfig
from composectl.balance.policy import POLICIES, Policy, SlowStart
from composectl.balance.replica_range import ReplicaRange, Scale
from composectl.compose.ports import Port
from composectl.config.tls import TlsConfig
from composectl.config.values import PortProtocol, ServiceRoute
from composectl.proxy.field_edits import HeaderConfig
from composectl.proxy.limits import GuardConfig, Limits, QueueConfig
from composectl.proxy.routes import Route

STOP, PAUSE = "stop", "pause"


@dataclass(frozen=True, slots=True)
class BalancingConfig:
    """`policy` is a name of `POLICIES`; `backend_header`: responses carry `X-Internal-Service`.

    `replica_header`: requests carry `X-Composectl-Replica`, the number of the replica that gets them.
    `sticky`: what tells the session of a request, `true` for a cookie of the proxy, `cookie:NAME`, or `header:NAME`; ""
    where requests of one client need not stay together.
    `health_check_path`: the path whose answer tells whether a backend is well; "" where its port does.
    `health_check_grpc`: the gRPC service whose health tells it, `true` for the whole server, "" for none.
    `health_check_host`: the `Host` of that request or call.
    `request_id`: requests without an `X-Request-ID` get one, and responses carry it.
    `backend_tls`: how the certificates of backends that speak TLS are verified, see `BackendTls`; "" for plain ones.
    `slow_start`: the seconds over which the share of a new backend rises; None for a whole one from the first.
    `drain_timeout`: the seconds for requests in flight when their backend leaves, or the daemon ends.
    `max_in_flight`: so many requests or connections at each backend at once; None for any number.
    `sleep_mode`: what becomes of the replicas of a service that sleeps, `stop` or `pause`.
    """

    policy: str = "least-request"
    sticky: str = ""
    backend_header: bool = True
    replica_header: bool = False
    request_id: bool = True
    health_check_path: str = ""
    health_check_grpc: str = ""
    health_check_host: bytes = b"localhost"
    guards: GuardConfig = field(default_factory=GuardConfig)
    headers: HeaderConfig = field(default_factory=HeaderConfig)
    limits: Limits = field(default_factory=Limits)
    queue: QueueConfig = field(default_factory=QueueConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    backend_tls: str = ""
    slow_start: int | None = None
    drain_timeout: int = 30
    max_in_flight: int | None = None
    autoscale: AutoscaleConfig = field(default_factory=AutoscaleConfig)
    sleep_mode: str = STOP

    def make_policy(self, clock: Callable[[], float]) -> Policy:
        """A policy for one pool; `clock` gives seconds."""
        policy = POLICIES[self.policy]()
        return policy if self.slow_start is None else SlowStart(policy, self.slow_start, clock)


@dataclass(frozen=True, slots=True)
class ProtocolOption:
    """An option that does not work on every protocol, but on requests, as the user spells it.

    `typed`: on the command line, hence for all services. `guards`: no connection may pass by it. `checks`: it works on
    the port that is checked alone. `connections`: it works on connections instead. `host_port`: the only port of the
    host that it is for; None for all.
    """

    spelling: str
    typed: bool
    guards: bool = False
    checks: bool = False
    connections: bool = False
    host_port: int | None = None

    def guards_port(self, port: Port) -> bool:
        """Whether no connection may pass by it at this port."""
        first, last = port.published
        return self.guards and (self.host_port is None or first <= self.host_port <= last)


@dataclass(frozen=True, slots=True)
class ProtocolConfig:
    """What is written of the protocols of a service's ports: `typed` on the command line, `declared` in `x-balance`."""

    typed: tuple[PortProtocol, ...] = ()
    declared: tuple[PortProtocol, ...] = ()
    options: tuple[ProtocolOption, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutingConfig:
    """Which requests a service gets: those for each `--domain` of it, and below the `path`; an empty one is any.

    `strip_path`: backends get the rest of the path. `typed`: the routes on the command line, in place of the others.
    """

    path: bytes = b""
    strip_path: bool = False
    typed: tuple[ServiceRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One balanced service, with `scale` replicas at first, and later as many of its `range` as its load needs.

    `listen`: where to listen in place of the published ports. `range`: None where it has a fixed number.
    `port`: the container's port that is checked, and that `listen` means; None for the first that is published.
    `drop_udp`: without the UDP ports that only one replica could hold.
    """

    scale: int
    balancing: BalancingConfig = field(default_factory=BalancingConfig)
    listen: tuple[Port, ...] = ()
    port: int | None = None
    drop_udp: bool = False
    protocols: ProtocolConfig = field(default_factory=ProtocolConfig)
    range: ReplicaRange | None = None
    routing: RoutingConfig = field(default_factory=RoutingConfig)

    @property
    def asked(self) -> Scale:
        """The number or the range that was asked for."""
        return self.range or self.scale

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it gets on a listener that it shares."""
        routing = self.routing
        if routing.typed:
            return tuple(Route(route.host, route.path, routing.strip_path) for route in routing.typed)
        hosts = [(f"[{name}]" if ":" in name else name).encode() for name in self.balancing.tls.domains] or [b""]
        return tuple(Route(host, routing.path, routing.strip_path) for host in hosts)


def check_range(service: str, bounds: ReplicaRange, balancing: BalancingConfig) -> None:
    """Raise UsageError where the service cannot be scaled within this range."""
    if not bounds.least and not balancing.queue.timeout:
        raise errors.UsageError(
            f"`{service}={bounds}` cannot be combined with `--queue-timeout 0`: the request that wakes it has to wait",
            f"omit `--queue-timeout`, or use `{service}=1..{bounds.most}`",
        )


@dataclass(frozen=True, slots=True)
class RolloutConfig:
    """`parallel`: so many new replicas at a time. `monitor`: the seconds of watching them before old ones leave.

    Both are None for what `deploy.update_config` of each service says.
    `ready_timeout`: the seconds to become ready, None for as long as the HEALTHCHECK says. `canary`: the share of the
    requests at which one is paused first.
    """

    parallel: int | None = None
    monitor: float | None = None
    ready_timeout: float | None = None
    canary: float | None = None
