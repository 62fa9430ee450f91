"""What `composectl proxy` without backends was asked for: listeners before a service whose replicas are followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from composectl import errors
from composectl.balance.replica import Replica
from composectl.commands.access_logging import LogWish
from composectl.commands.addresses import Address, parse_each, parse_listener, parse_target
from composectl.commands.balancing import Balancing, balancing
from composectl.commands.fixed import check_name
from composectl.commands.views import NO_VIEWS, ViewsWish
from composectl.compose.ports import Port

SERVICE_NAME = "DOCKER_COMPOSE_SERVICE_NAME"
_LISTEN = ("8080",)


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
