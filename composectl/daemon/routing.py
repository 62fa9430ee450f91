"""How services share listeners: which of them listens, and which requests go to which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from operator import attrgetter

from composectl import errors
from composectl.compose.ports import Port
from composectl.config.service import ServiceConfig
from composectl.config.tls import TlsConfig
from composectl.proxy.protocol import BY_CONNECTION, Protocol
from composectl.proxy.routes import Route

# What is asked before it is known for which of the services a request is
_OF_LISTENERS = (
    *("limits.trusted_proxies", "limits.accept_proxy_protocol", "limits.allow_pin", "request_id"),
    *(f"tls.{each.name}" for each in fields(TlsConfig) if each.name != "domains"),
)


@dataclass(frozen=True, slots=True)
class Routing:
    """The `routes` of one service; on the `routed` ports, it gets the requests of these alone.

    `hosts`: by its ports whose listener another service has, that service and its port.
    """

    routes: tuple[Route, ...] = (Route(),)
    routed: frozenset[Port] = frozenset()
    hosts: Mapping[Port, tuple[str, Port]] = field(default_factory=dict)

    def of(self, port: Port) -> Sequence[Route]:
        """The routes on this port; none where it gets all requests."""
        return self.routes if port in self.routed else ()

    def own(self, ports: Iterable[Port]) -> list[Port]:
        """Those of these ports that are listened at for this service, and maybe for others."""
        return [port for port in ports if port not in self.hosts]


NO_ROUTING = Routing()


def make_routing(ports: Mapping[str, Sequence[Port]], services: Mapping[str, ServiceConfig]) -> Mapping[str, Routing]:
    """How the services share the ports that they have in common: the first one listens. Raises ComposectlError."""
    hosts: dict[str, dict[Port, tuple[str, Port]]] = {service: {} for service in ports}
    routed: dict[str, set[Port]] = {
        service: set(ports[service] if config.routing.path or config.routing.typed else ())
        for service, config in services.items()
    }
    for (service, port), (other, another) in combinations(_every(ports), 2):
        if not port.conflicts_with(another):
            continue
        _check_shared(service, port, other, another, services)
        routed[service].add(port)
        routed[other].add(another)
        hosts[other].setdefault(another, hosts[service].get(port, (service, port)))
    return {
        service: Routing(config.routes, frozenset(routed[service]), hosts[service])
        for service, config in services.items()
    }


def tls_of(service: str, services: Mapping[str, ServiceConfig], routing: Mapping[str, Routing]) -> TlsConfig:
    """The TLS of a service, whose certificates have the names of those that share its listeners, too."""
    guests = [name for name, each in routing.items() if any(host == service for host, _ in each.hosts.values())]
    names = [name for each in (service, *guests) for name in services[each].balancing.tls.domains]
    return replace(services[service].balancing.tls, domains=tuple(dict.fromkeys(names)))


def check_protocols(routing: Mapping[str, Routing], protocols: Mapping[str, Mapping[Port, Protocol]]) -> None:
    """Raise ComposectlError where a port is shared whose connections are relayed unread: they tell no host."""
    for service, own in routing.items():
        for port, (host, there) in own.hosts.items():
            for protocol in (protocols[service][port], protocols[host][there]):
                if protocol in BY_CONNECTION:
                    raise errors.ComposectlError(
                        f"`{host}` and `{service}` share {port.place}, whose connections are {protocol}",
                        "requests of HTTP alone have routes: give one of the two another port",
                    )


# Private


def _every(ports: Mapping[str, Sequence[Port]]) -> Iterator[tuple[str, Port]]:
    return ((service, port) for service, published in ports.items() for port in published)


def _check_shared(service: str, port: Port, other: str, another: Port, services: Mapping[str, ServiceConfig]) -> None:
    own, theirs = services[service], services[other]
    is_same = (port.host_ip, port.published) == (another.host_ip, another.published)
    if service == other or not is_same or own.routes == theirs.routes == (Route(),):
        whose = " and ".join(f"`{name}`" for name in dict.fromkeys((service, other)))
        hint = "change one of the two ports"
        raise errors.ComposectlError(
            f"{port.place} is published twice, by {whose}",
            f"{hint}, or share it: `--route {other}=HOST`" if is_same and service != other else hint,
        )
    for route in own.routes:
        if route.key in {their.key for their in theirs.routes}:
            raise errors.UsageError(
                f"`{service}` and `{other}` share {port.place}, and both have the route `{route}`",
                f"give one of them a host or a path of its own: `--route {other}=HOST/PATH`",
            )
    for name in _OF_LISTENERS:
        if attrgetter(name)(own.balancing) != attrgetter(name)(theirs.balancing):
            raise errors.UsageError(
                f"`{service}` and `{other}` share {port.place}, and differ in `{name.rpartition('.')[2]}`",
                "it is the listener's: give both the same value",
            )
