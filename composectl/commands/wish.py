"""What `composectl up` was asked for, by its command line and by the compose file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from composectl import errors
from composectl.commands.access_logging import LogWish
from composectl.commands.balancing import Balancing, balancing
from composectl.commands.declaring import Declaration, overlay
from composectl.commands.listening import parse_listen
from composectl.commands.views import NO_VIEWS, ViewsWish, views_wish
from composectl.compose.argv import UpArguments, parse_scale, sort_up_arguments

AUTO, NETWORK, PUBLISHED = REACHES = ("auto", "network", "published")


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """One balanced service. `listen`: where to listen in place of the published ports.

    `port`: the container's port that is checked, and that `listen` means; None for the first that is published.
    `drop_udp`: without the UDP ports that only one replica could hold.
    """

    scale: int
    balancing: Balancing
    listen: tuple[str, ...] = ()
    port: int | None = None
    drop_udp: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """`services`: those that are to be balanced; `connections`: how many clients at once, None for the default.

    `ready_seconds`: how long `-d` waits for the first backend. `handover`: take over from the composectl that runs.
    `reach`: how backends are reached, a name of `REACHES`. `log`: of each request; None for none.
    """

    services: Mapping[str, ServiceWish]
    detach: bool
    ready_seconds: float
    arguments: UpArguments
    connections: int | None = None
    handover: bool = False
    reach: str = AUTO
    log: LogWish | None = None
    views: ViewsWish = NO_VIEWS

    @property
    def scales(self) -> dict[str, int]:
        """How many replicas of which service."""
        return {service: one.scale for service, one in self.services.items()}

    @property
    def dropping_udp(self) -> frozenset[str]:
        """The services whose UDP ports are to be left out."""
        return frozenset(service for service, one in self.services.items() if one.drop_udp)


def make_wish(
    scales: Mapping[str, int],
    typed: Mapping[str, Any],
    arguments: Sequence[str],
    declared: Mapping[str, Declaration] | None = None,
    typed_scales: Sequence[str] = (),
) -> Wish:
    """The wish behind the `typed` options, for these services, some of which were `declared` in the compose file.

    `--listen` means the only service that was typed, else the only one. Raises ComposectlError where it makes no sense.
    """
    meant = tuple(typed_scales) or tuple(scales)
    if typed["listen"] and len(meant) > 1:
        raise errors.listen_for_whom()
    for text in typed["listen"]:
        parse_listen(text, 0)
    return Wish(
        {
            service: _service_wish(scale, (declared or {}).get(service, Declaration()), typed, listens=service in meant)
            for service, scale in scales.items()
        },
        detach=typed["detach"],
        ready_seconds=typed["ready_timeout"] or 60.0,
        arguments=sort_up_arguments(arguments, scales),
        connections=balancing(overlay({}, typed)).connections,
        handover=typed["handover"],
        reach=_reach(typed["reach"] or AUTO),
        views=views_wish(typed),
    )


def parse_scales(texts: Sequence[str]) -> dict[str, int]:
    """Each `SERVICE=N`, by service. Raises what `parse_scale` does, and `balanced_twice`."""
    scales: dict[str, int] = {}
    for text in texts:
        service, scale = parse_scale(text)
        if service in scales:
            raise errors.balanced_twice(service)
        scales[service] = scale
    return scales


# Private


def _reach(name: str) -> str:
    if name not in REACHES:
        raise errors.unknown_reach(name, REACHES)
    return name


def _service_wish(scale: int, declared: Declaration, typed: Mapping[str, Any], *, listens: bool) -> ServiceWish:
    given = overlay(declared.given, typed)
    listen = tuple(given["listen"]) if listens else tuple(declared.given["listen"])
    return ServiceWish(scale, balancing(given), listen, declared.port, given["drop_udp"])
