"""What `composectl proxy` was asked for: listeners before backends that are fixed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from composectl import errors
from composectl.balance.replica import Replica
from composectl.commands.access_logging import LogWish
from composectl.commands.addresses import Address, parse_backend, parse_each, parse_listener
from composectl.commands.balancing import Balancing
from composectl.commands.views import NO_VIEWS, ViewsWish
from composectl.compose.ports import Port

# What Compose allows as a project's name, which this stands in for.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


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


# Private


def _replica(number: int, address: Address) -> Replica:
    digest = sha256(str(address).encode()).hexdigest()
    nobody_stops_it = float("inf")
    return Replica(digest, "", number, str(address), address.host, grace=nobody_stops_it, ports=((0, address.port),))
