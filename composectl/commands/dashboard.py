"""The page for browsers about one running composectl."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from composectl import errors
from composectl.balance.pool import Pool
from composectl.balance.snapshot import join_address
from composectl.commands.dashboard_wish import DashboardWish
from composectl.commands.telling import say
from composectl.commands.view import Listening, View
from composectl.control.api import Handlers
from composectl.control.dashboard.guard import Guard
from composectl.control.dashboard.history import History
from composectl.control.dashboard.server import Renew, Sources, serve_dashboard
from composectl.control.pacing import paced

_SHARE = 0.25  # of the time, at most, while a sample is taken
_TOKEN_BYTES = 24


class Dashboard(View):
    """Nothing is remembered of what went on before it was made. Raises `no_dashboard` where the port cannot be had."""

    def __init__(self, wish: DashboardWish, folder: Path, inherited: Listening) -> None:
        super().__init__("--dashboard", wish.address, folder, inherited, errors.no_dashboard)
        self._named = wish.address.host
        self._token = secrets.token_urlsafe(_TOKEN_BYTES) if wish.control else None
        self._history = History()

    @property
    def url(self) -> str:
        """Where a browser of this machine finds it, without the token."""
        host, port = self.sockets[0].getsockname()[:2]
        return f"http://{join_address('localhost' if host in ('0.0.0.0', '::') else host, port)}/"

    async def sample(self, pools: Iterable[Pool]) -> None:
        """To be called once a second."""
        async for _ in paced(self._history.sampling(pools, time.time()), _SHARE):
            pass

    async def open(self, handlers: Handlers, renew: Renew) -> None:
        """Answer browsers, and say where, with the token."""
        guard = Guard(self._named, self._token)
        self.reception = await serve_dashboard(Sources(handlers, self._history, renew), guard, self.sockets)
        say(f"dashboard: {self.url}{f'#token={self._token}' if self._token else ''}")
