"""What `composectl proxy` was asked for: listeners before backends that are fixed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from composectl import errors
from composectl.balance.replica import Replica
from composectl.commands.addresses import Address, parse_backend, parse_listener
from composectl.commands.balancing import Balancing
from composectl.commands.dashboard_wish import DashboardWish
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
    metrics: Address | None = None
    dashboard: DashboardWish | None = None

    @property
    def ports(self) -> list[Port]:
        """The listeners as ports without a target: every backend has a port of its own."""
        return [Port(one.host, (one.port, one.port), 0, "tcp") for one in self.listen]

    @property
    def replicas(self) -> list[Replica]:
        """The backends as replicas, numbered as they were given."""
        return [_replica(number, address) for number, address in enumerate(self.backends, 1)]


def make_fixed_wish(
    listen: Sequence[str],
    backends: Sequence[str],
    balancing: Balancing,
    *,
    name: str,
    detach: bool,
    metrics: Address | None = None,
    dashboard: DashboardWish | None = None,
) -> FixedWish:
    """The wish behind the words of a command line. Raises ComposectlError where they make no sense."""
    if name and not _NAME.fullmatch(name):
        raise errors.bad_name(name)
    return FixedWish(
        _each("--listen", parse_listener, listen),
        _each("--backend", parse_backend, backends),
        balancing,
        name,
        detach,
        metrics,
        dashboard,
    )


# Private


def _each(option: str, parse: Callable[[str], Address], texts: Sequence[str]) -> tuple[Address, ...]:
    addresses: list[Address] = []
    for text in texts:
        address = parse(text)
        if address in addresses:
            raise errors.given_twice(option, str(address))
        addresses.append(address)
    return tuple(addresses)


def _replica(number: int, address: Address) -> Replica:
    digest = sha256(str(address).encode()).hexdigest()
    nobody_stops_it = float("inf")
    return Replica(digest, "", number, str(address), address.host, grace=nobody_stops_it, ports=((0, address.port),))
