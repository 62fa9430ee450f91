"""The proxy as an aiohttp server: hosts our connections in place of aiohttp's own."""

from __future__ import annotations

import asyncio
import socket
from typing import NoReturn

from aiohttp import web

from composectl.proxy.inbound import Inbound
from composectl.proxy.route import Route

_BACKLOG = 4096


class ProxyServer(web.Server):
    """Makes a connection for each client of one route, and keeps them in sight until they end.

    `tick` counts the seconds since the start: a clock that costs the hot path nothing.
    """

    def __init__(self, route: Route) -> None:
        super().__init__(_never_called)
        self.route = route
        self.tick = 0
        self._inbound: set[Inbound] = set()
        self._tunnels: set[asyncio.Transport] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    # aiohttp's side

    def __call__(self) -> Inbound:  # type: ignore[override]
        return Inbound(self)

    def pre_shutdown(self) -> None:
        """Let every connection end with the request that it is at."""
        for inbound in list(self._inbound):
            inbound.close()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Wait for `timeout` seconds until all connections have ended, then cut them."""
        self.route.pool.leave_all("composectl ends")
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            for inbound in list(self._inbound):
                inbound.abort()
            for tunnel in list(self._tunnels):
                tunnel.abort()
        self.route.connections.close()

    # The connections' side

    def opened(self, inbound: Inbound) -> None:
        """A client has connected."""
        self._inbound.add(inbound)
        self._empty.clear()

    def gone(self, inbound: Inbound) -> None:
        """A client's connection has ended."""
        self._inbound.discard(inbound)
        self._note_emptiness()

    def tunnelled(self, inbound: Inbound, transport: asyncio.Transport) -> None:
        """A client's connection has become a tunnel."""
        self._inbound.discard(inbound)
        self._tunnels.add(transport)

    def untunnelled(self, transport: asyncio.Transport) -> None:
        """A tunnel has ended."""
        self._tunnels.discard(transport)
        self._note_emptiness()

    def sweep(self) -> None:
        """Enforce all deadlines; to be called once a second."""
        self.tick += 1
        for inbound in list(self._inbound):
            inbound.sweep(self.tick)
        self.route.connections.sweep()

    # Private

    def _note_emptiness(self) -> None:
        if not self._inbound and not self._tunnels:
            self._empty.set()


async def serve(server: ProxyServer, sockets: list[socket.socket], drain_seconds: float) -> web.ServerRunner:
    """Accept clients on `sockets`; the runner's `cleanup` closes them and gives the rest `drain_seconds`."""
    runner = web.ServerRunner(server, shutdown_timeout=drain_seconds)
    await runner.setup()
    for one in sockets:
        await web.SockSite(runner, one, backlog=_BACKLOG).start()
    return runner


# Private


async def _never_called(_: web.BaseRequest) -> NoReturn:
    raise AssertionError("our connections make no aiohttp requests")
