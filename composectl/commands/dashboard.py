"""The page for browsers about one running composectl."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from composectl import errors
from composectl.balance.pool import Pool
from composectl.balance.snapshot import join_address
from composectl.commands.dashboard_wish import DashboardWish
from composectl.commands.occupant import occupant
from composectl.commands.telling import say
from composectl.control.api import Handlers
from composectl.control.dashboard.guard import Guard
from composectl.control.dashboard.history import History
from composectl.control.dashboard.server import Renew, Sources, serve_dashboard
from composectl.control.reception import Reception
from composectl.proxy.listen import PortTaken, bind

_TOKEN_BYTES = 24


def bind_dashboard(
    wish: DashboardWish | None, folder: Path, inherited: Mapping[str, Sequence[socket.socket]] | None = None
) -> Dashboard | None:
    """The dashboard, at a port that is ours, or one of the `inherited`. Raises ComposectlError."""
    if wish is None:
        return None
    sockets = (inherited or {}).get(_name(wish))
    return Dashboard(wish, list(sockets) if sockets else _bound(wish, folder))


class Dashboard:
    """Holds its port until `close`; nothing is remembered of what went on before it was made."""

    def __init__(self, wish: DashboardWish, sockets: list[socket.socket]) -> None:
        self._wish = wish
        self._sockets = sockets
        self._token = secrets.token_urlsafe(_TOKEN_BYTES) if wish.control else None
        self._history = History()
        self._reception: Reception | None = None

    @property
    def url(self) -> str:
        """Where a browser of this machine finds it, without the token."""
        host, port = self._sockets[0].getsockname()[:2]
        return f"http://{join_address('localhost' if host in ('0.0.0.0', '::') else host, port)}/"

    @property
    def listening(self) -> dict[str, list[socket.socket]]:
        """The listening sockets, by a name that no service has."""
        return {_name(self._wish): self._sockets}

    def sample(self, pools: Iterable[Pool]) -> None:
        """To be called once a second."""
        self._history.sample(pools, time.time())

    async def open(self, handlers: Handlers, renew: Renew) -> None:
        """Answer browsers, and say where, with the token."""
        guard = Guard(self._wish.host, self._token)
        self._reception = await serve_dashboard(Sources(handlers, self._history, renew), guard, self._sockets)
        say(f"dashboard: {self.url}{f'#token={self._token}' if self._token else ''}")

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


def _name(wish: DashboardWish) -> str:
    return f"--dashboard {join_address(wish.host, wish.address.port)}"


def _bound(wish: DashboardWish, folder: Path) -> list[socket.socket]:
    try:
        return bind(wish.host, (wish.address.port,))
    except PortTaken as taken:
        raise errors.no_dashboard(errors.port_taken(taken.address, occupant(taken.port, folder))) from taken
    except errors.ComposectlError as error:
        raise errors.no_dashboard(error) from error
