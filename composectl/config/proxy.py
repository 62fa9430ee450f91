"""What `composectl proxy` was asked for: listeners before backends that are fixed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from composectl import errors
from composectl.balance.backend import Replica
from composectl.compose.ports import Port
from composectl.config.service import Balancing, LogWish, balancing
from composectl.config.values import Address, parse_backend, parse_each, parse_listener, parse_target
from composectl.daemon.admin import NO_VIEWS, ViewsWish

# What Compose allows as a project's name, which this stands in for.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
SERVICE_NAME = "DOCKER_COMPOSE_SERVICE_NAME"
_LISTEN = ("8080",)


@dataclass(frozen=True, slots=True)
class FixedWish:
    """`name` is that by which other terminals find it; empty to name it after its port."""

    listen: tuple[Address, ...]
    backends: tuple[Address, ...]
    balancing: Balancing
    name: str
    detach: bool
    log: LogWish | None = None
    views: ViewsWish = NO_VIEWS

    @property
    def ports(self) -> list[Port]:
        """The listeners as ports without a target: every backend has a port of its own."""
        return [Port(one.host, (one.port, one.port), 0, "tcp") for one in self.listen]

    @property
    def replicas(self) -> list[Replica]:
        """The backends as replicas, numbered as they were given."""
        return [_replica(number, address) for number, address in enumerate(self.backends, 1)]


def make_fixed_wish(
    listen: Sequence[str], backends: Sequence[str], balancing: Balancing, *, name: str, detach: bool
) -> FixedWish:
    """The wish behind the words of a command line. Raises ComposectlError where they make no sense."""
    check_name(name)
    if not listen:
        raise errors.listen_where()
    listeners = parse_each("--listen", parse_listener, listen)
    return FixedWish(listeners, parse_each("--backend", parse_backend, backends), balancing, name, detach)


def check_name(name: str) -> None:
    """Raise `bad_name` where it is one that nothing could be called by."""
    if name and not _NAME.fullmatch(name):
        raise errors.bad_name(name)


@dataclass(frozen=True, slots=True)
class FollowedWish:
    """`project` is empty for that of our own container, `port` 0 for the lowest TCP port that each replica exposes.

    `name` is that by which other terminals find it; empty for that of the project.
    """

    service: str
    project: str
    port: int
    listen: tuple[Address, ...]
    balancing: Balancing
    name: str
    detach: bool
    log: LogWish | None = None
    views: ViewsWish = NO_VIEWS

    @property
    def ports(self) -> list[Port]:
        """The listeners, each with the port of the replicas as its target."""
        return [Port(one.host, (one.port, one.port), self.port, "tcp") for one in self.listen]

    def reaches(self, replica: Replica) -> bool:
        """Whether the replica tells a port, where it has to."""
        return replica.address(self.port)[1] > 0


def make_followed_wish(typed: Mapping[str, Any], project: str, environ: Mapping[str, str]) -> FollowedWish:
    """The wish behind the `typed` options and the environment. Raises ComposectlError where they make no sense."""
    service = typed["service"] or environ.get(SERVICE_NAME, "")
    if not service:
        raise errors.whom_to_follow(SERVICE_NAME)
    check_name(typed["name"])
    return FollowedWish(
        service,
        (project or environ.get("COMPOSE_PROJECT_NAME", "")).lower(),
        parse_target(typed["port"]) if typed["port"] else 0,
        parse_each("--listen", parse_listener, typed["listen"] or _LISTEN),
        balancing(typed),
        typed["name"],
        typed["detach"],
    )


# Private


def _replica(number: int, address: Address) -> Replica:
    digest = sha256(str(address).encode()).hexdigest()
    nobody_stops_it = float("inf")
    return Replica(digest, "", number, str(address), address.host, grace=nobody_stops_it, ports=((0, address.port),))
