"""`--metrics`: where Prometheus scrapes one running composectl."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from composectl import errors
from composectl.balance.snapshot import join_address
from composectl.commands.addresses import Address, parse_listener
from composectl.commands.occupant import occupant
from composectl.commands.telling import say
from composectl.control.reception import Reception
from composectl.control.scrapes import serve_metrics
from composectl.control.scraping import Scraping
from composectl.proxy.listen import PortTaken, address_of, bind

_HERE = "127.0.0.1"


def parse_metrics(text: str | None) -> Address | None:
    """`[HOST:]PORT` as it is typed, if it is; without a host it is 127.0.0.1. Raises `bad_metrics`."""
    if text is None:
        return None
    try:
        address = parse_listener(text)
    except errors.ComposectlError:
        raise errors.bad_metrics(text) from None
    return Address(address.host or _HERE, address.port)


def bind_metrics(
    wish: Address | None, folder: Path, inherited: Mapping[str, Sequence[socket.socket]] | None = None
) -> Metrics | None:
    """The metrics, at a port that is ours, or one of the `inherited`. Raises ComposectlError."""
    if wish is None:
        return None
    sockets = (inherited or {}).get(_name(wish))
    return Metrics(wish, list(sockets) if sockets else _bound(wish, folder))


class Metrics:
    """Holds its port until `close`."""

    def __init__(self, wish: Address, sockets: list[socket.socket]) -> None:
        self._wish = wish
        self._sockets = sockets
        self._reception: Reception | None = None

    @property
    def url(self) -> str:
        """Where they are scraped."""
        return f"http://{address_of(self._sockets[0])}/metrics"

    @property
    def listening(self) -> dict[str, list[socket.socket]]:
        """The listening sockets, by a name that no service has."""
        return {_name(self._wish): self._sockets}

    async def open(self, scraping: Scraping) -> None:
        """Answer scrapes, and say where."""
        from composectl.control import metrics  # noqa: F401 - slow to import: better now than at the first scrape

        self._reception = await serve_metrics(scraping, self._wish.host, self._sockets)
        say(f"metrics: {self.url}")

    async def shut(self) -> None:
        """Answer no more."""
        reception, self._reception = self._reception, None
        if reception is not None:
            await reception.cleanup()

    def close(self) -> None:
        """Free the port."""
        for one in self._sockets:
            one.close()


# Private


def _name(wish: Address) -> str:
    return f"--metrics {join_address(wish.host, wish.port)}"


def _bound(wish: Address, folder: Path) -> list[socket.socket]:
    try:
        return bind(wish.host, (wish.port,))
    except PortTaken as taken:
        raise errors.no_metrics(errors.port_taken(taken.address, occupant(taken.port, folder))) from taken
    except errors.ComposectlError as error:
        raise errors.no_metrics(error) from error
