"""The admin listeners of a daemon: a port for metrics, and one for the dashboard."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from composectl import errors
from composectl.balance.backend import join_address
from composectl.balance.pool import Pool
from composectl.config.daemon import AdminConfig
from composectl.config.values import Address
from composectl.control.api import DaemonApi
from composectl.control.dashboard.auth import DashboardAuth
from composectl.control.dashboard.history import History
from composectl.control.dashboard.server import RolloutService, serve_dashboard
from composectl.control.http_server import AdmissionLimitedServer
from composectl.control.metrics_server import MetricsHandler, serve_metrics
from composectl.control.pacing import in_slices
from composectl.daemon.service import port_owner
from composectl.proxy.listener import PortTaken, address_of, bind
from composectl.screen.console import info

ListeningSockets = Mapping[str, Sequence[socket.socket]]
_CPU_SHARE = 0.25  # of the time, at most, while a sample is taken
_TOKEN_BYTES = 24


class AdminListener:
    """Holds the port of `option` until `close`, on an inherited socket or a new one; raises where it is not free."""

    def __init__(self, option: str, what: str, at: Address, folder: Path, inherited: ListeningSockets) -> None:
        self.host = at.host
        self.name = f"{option} {join_address(at.host, at.port)}"
        self._server: AdmissionLimitedServer | None = None
        try:
            self.sockets = list(inherited.get(self.name, ())) or bind(at.host, (at.port,))
            return
        except PortTaken as taken:
            cause = errors.port_taken(taken.address, port_owner(taken.port, folder))
        except errors.ComposectlError as error:
            cause = error
        hint = f"use `{option} [HOST:]PORT` with another port"
        raise errors.ComposectlError(f"cannot serve {what}: {cause.message}", hint) from cause

    async def shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.cleanup()

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


class Metrics(AdminListener):
    @property
    def url(self) -> str:
        return f"http://{address_of(self.sockets[0])}/metrics"

    async def open(self, metrics: MetricsHandler) -> None:
        import composectl.control.metrics  # noqa: F401 - slow to import: better now than at the first scrape

        self._server = await serve_metrics(metrics, self.host, self.sockets)
        info(f"metrics: {self.url}")


class Dashboard(AdminListener):
    """Its history begins when it is made."""

    def __init__(self, at: Address, folder: Path, inherited: ListeningSockets, *, control: bool) -> None:
        super().__init__("--dashboard", "the dashboard", at, folder, inherited)
        self._token = secrets.token_urlsafe(_TOKEN_BYTES) if control else None
        self._history = History()

    @property
    def url(self) -> str:
        """The URL for a browser of this machine, without the token."""
        host, port = self.sockets[0].getsockname()[:2]
        return f"http://{join_address('localhost' if host in ('0.0.0.0', '::') else host, port)}/"

    async def sample(self, pools: Iterable[Pool]) -> None:
        """To be called once a second."""
        async for _ in in_slices(self._history.sampling(pools, time.time()), _CPU_SHARE):
            pass

    async def open(self, daemon: DaemonApi, rollout: RolloutService) -> None:
        auth = DashboardAuth(self.host, self._token)
        self._server = await serve_dashboard(daemon, self._history, rollout, auth, self.sockets)
        info(f"dashboard: {self.url}{f'#token={self._token}' if self._token else ''}")


def bind_admin_listeners(
    config: AdminConfig, folder: Path, inherited: ListeningSockets | None = None
) -> AdminListeners:
    """The listeners that were asked for, on `inherited` sockets or new ones. Raises ComposectlError."""
    metrics = dashboard = None
    with ExitStack() as undo:
        if config.metrics:
            metrics = Metrics("--metrics", "metrics", config.metrics, folder, inherited or {})
            undo.callback(metrics.close)
        if config.dashboard:
            dashboard = Dashboard(config.dashboard, folder, inherited or {}, control=config.dashboard_control)
        undo.pop_all()
    return AdminListeners(metrics, dashboard)


@dataclass(frozen=True, slots=True)
class AdminListeners:
    metrics: Metrics | None = None
    dashboard: Dashboard | None = None

    @property
    def listening(self) -> ListeningSockets:
        """The listening sockets, by names that no service has."""
        return {listener.name: listener.sockets for listener in self._all}

    async def open(self, daemon: DaemonApi, rollout: RolloutService) -> None:
        """Answer requests, and print the URLs; `rollout` updates a service for the dashboard."""
        if self.metrics:
            await self.metrics.open(daemon.metrics)
        if self.dashboard:
            await self.dashboard.open(daemon, rollout)

    async def shut(self) -> None:
        for listener in self._all:
            await listener.shut()

    def close(self) -> None:
        for listener in self._all:
            listener.close()

    # Private

    @property
    def _all(self) -> list[AdminListener]:
        return [listener for listener in (self.metrics, self.dashboard) if listener]
