"""What a daemon was asked for, by `up` or by `proxy`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from composectl import errors
from composectl.balance.backend import Replica
from composectl.balance.replica_range import Scale
from composectl.compose.argv import StackOptions
from composectl.compose.ports import Port
from composectl.config.service import BalancingConfig, ProtocolConfig, ServiceConfig
from composectl.config.values import Address
from composectl.proxy.access_log_format import LineStyle

if TYPE_CHECKING:
    from composectl.compose.argv import UpArguments
    from composectl.orchestrator.self_discovery import ServiceBackends
    from composectl.orchestrator.swarm_service import TaskBackends
    from composectl.proxy.access_log import AccessLog, Sink, Writer

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class AccessLogConfig:
    """`path` is absolute, or `-` for stdout."""

    path: str
    style: LineStyle = field(default_factory=LineStyle)


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """None for a port that was not asked for. `dashboard_control`: the page sends commands, with its token."""

    metrics: Address | None = None
    dashboard: Address | None = None
    dashboard_control: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    """`max_connections`: clients at once; None for as many as the limit of open files allows.

    `workers`: the number of processes that share the listeners.
    """

    detach: bool = False
    workers: int = 1
    max_connections: int | None = None
    access_log: AccessLogConfig | None = None
    admin: AdminConfig = field(default_factory=AdminConfig)

    @property
    def asks_for_passwords(self) -> bool:
        """Whether clients send passwords."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpConfig(DaemonConfig):
    """`services`: those that are balanced. `ready_timeout`: the seconds for which it waits for the first backend, None
    for as long as the HEALTHCHECK says.

    `handover`: take over from the composectl that runs. `backend_address`: one of `BACKEND_ADDRESSES`. `swarm`: deploy
    the project as a stack of a swarm, as `stack` says.
    """

    services: Mapping[str, ServiceConfig]
    arguments: UpArguments
    ready_timeout: float | None = None
    handover: bool = False
    backend_address: str = "auto"
    swarm: bool = False
    stack: StackOptions = field(default_factory=StackOptions)

    @property
    def scales(self) -> dict[str, int]:
        """How many replicas of which service, at first."""
        return {service: config.scale for service, config in self.services.items()}

    @property
    def asked(self) -> dict[str, Scale]:
        """The number or the range that was asked for, by service."""
        return {service: config.asked for service, config in self.services.items()}

    @property
    def asks_for_passwords(self) -> bool:
        return any(config.balancing.guards.basic_auth for config in self.services.values())

    @property
    def dropping_udp(self) -> frozenset[str]:
        """The services whose UDP ports are left out."""
        return frozenset(service for service, config in self.services.items() if config.drop_udp)


@dataclass(frozen=True, slots=True)
class StaticBackends:
    """Backends with an address each, which nothing adds to or removes."""

    addresses: tuple[Address, ...] = ()

    @property
    def replicas(self) -> list[Replica]:
        """The backends as replicas, numbered from 1."""
        return [
            Replica(
                sha256(str(address).encode()).hexdigest(),
                "",
                number,
                str(address),
                address.host,
                stop_grace_period=float("inf"),
                ports=((None, address.port),),
            )
            for number, address in enumerate(self.addresses, 1)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig(DaemonConfig):
    """`name`: by which other commands find the proxy; empty for that of the project, or of the first listener."""

    backends: StaticBackends | ServiceBackends | TaskBackends
    listen: tuple[Address, ...] = (Address("", 8080),)
    balancing: BalancingConfig = field(default_factory=BalancingConfig)
    name: str = ""
    protocols: ProtocolConfig = field(default_factory=ProtocolConfig)

    @property
    def asks_for_passwords(self) -> bool:
        return bool(self.balancing.guards.basic_auth)

    @property
    def backend_port(self) -> int | None:
        """The port that all backends have; None where it is not known, or not one."""
        if not isinstance(self.backends, StaticBackends):
            return self.backends.port
        ports = {address.port for address in self.backends.addresses}
        return ports.pop() if len(ports) == 1 else None

    @property
    def ports(self) -> list[Port]:
        """The listeners as ports; without a target where each backend has a port of its own."""
        target = None if isinstance(self.backends, StaticBackends) else self.backends.port
        return [Port(address.host, (address.port, address.port), target, "tcp") for address in self.listen]


def open_log(config: AccessLogConfig | None, make_writer: Callable[[Sink], Writer] | None = None) -> AccessLog | None:
    """A log that can be written to, by a thread or by what `make_writer` makes. Raises ComposectlError."""
    if config is None:
        return None
    from composectl.proxy.access_log import AccessLog, AccessWriter, Sink

    try:
        writer = (make_writer or AccessWriter)(Sink(config.path))
    except OSError as error:
        raise errors.UsageError(
            f"cannot open the access log {config.path}: {error.strerror or error}", "name a file that is writable"
        ) from None
    style = config.style
    return AccessLog(writer, style.line, frozenset(style.headers), on_stdout=config.path == STDOUT)
