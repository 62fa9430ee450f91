"""The proxy as an aiohttp server: hosts our connections in place of aiohttp's own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex
from typing import NoReturn

from aiohttp import web

from composectl.proxy.access_log import AccessLog
from composectl.proxy.http1.client_connection import ClientConnection
from composectl.proxy.http1.lingering import Lingering
from composectl.proxy.limits import Limits, is_within
from composectl.proxy.listener import ConnectionLimit
from composectl.proxy.sockets import Clock, report
from composectl.proxy.upstream import Upstream

_BACKLOG = 4096
# Plain asyncio accepts so many before it lets us count them.
_AT_ONCE = 16
_RETRY_SECONDS = 1.0
_PART_EVERY = 0.02
_CUT_SECONDS = 1.0
_NO_LIMITS = Limits()


class HttpServer(web.Server):
    """Makes a connection for each client of one upstream, and keeps them in sight until they end.

    `name` is what `Via` calls this listener, by default a name of its own, so that a request may well pass several of
    us, but none of us twice. `make_id` gives the `X-Request-ID` of a request that comes without one; None where such
    fields go on as they come. `log` hears of each request that has ended.
    """

    def __init__(
        self,
        upstream: Upstream,
        limits: Limits = _NO_LIMITS,
        connection_limit: ConnectionLimit | None = None,
        name: str = "",
        *,
        make_id: Callable[[], bytes] | None = None,
        log: AccessLog | None = None,
    ) -> None:
        super().__init__(_never_called)
        self.upstream = upstream
        self.limits = limits
        self.has_request_limits = bool(limits.allowed_hosts) or limits.max_request_body is not None
        self.connection_limit = connection_limit or ConnectionLimit()
        self.name = name or f"composectl-{token_hex(4)}"
        self.make_id = make_id
        self.log = log
        self.clock = Clock()
        self._inbound: set[ClientConnection | Lingering] = set()
        self._tunnels: set[ClientConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    # aiohttp's side

    def __call__(self) -> ClientConnection:  # type: ignore[override]
        self.connection_limit.acquire()
        return ClientConnection(self, self.upstream)

    def pre_shutdown(self) -> None:
        """Let every connection end with the request that it is at."""
        for inbound in list(self._inbound):
            inbound.close()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Wait for all connections to end, for `timeout` seconds or as long as a backend may take to stop; cut them."""
        seconds = min(float("inf") if timeout is None else timeout, self.upstream.pool.stop_grace_period)
        self.upstream.pool.drain_all("composectl ends")
        self.upstream.queue.close()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            await self.close_all()
        self.upstream.connections.close()

    async def close_all(self) -> None:
        """End all connections now; when this returns, they have."""
        for inbound in [*self._inbound, *self._tunnels]:
            inbound.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CUT_SECONDS):
                await self._empty.wait()

    # The end, where another process goes on

    async def drain_connections(self, seconds: float) -> None:
        """Let each client that is connected know with its next response that it is the last, for so long.

        A response that has begun without such word cannot be the last: its client may send the next request already.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._empty.is_set():
                    for inbound in self._inbound:
                        if isinstance(inbound, ClientConnection) and not inbound.answering:
                            inbound.close_after()
                    await asyncio.sleep(_PART_EVERY)

    # The connections' side

    def opened(self, inbound: ClientConnection) -> None:
        """A client has connected."""
        self._inbound.add(inbound)
        self._empty.clear()

    def replaced(self, inbound: ClientConnection, lingering: Lingering) -> None:
        """A client's connection is about to end."""
        self._inbound.discard(inbound)
        self._inbound.add(lingering)

    def gone(self, inbound: ClientConnection | Lingering) -> None:
        """A client's connection has ended."""
        self.connection_limit.release()
        self._inbound.discard(inbound)
        self._note_emptiness()

    def tunnelled(self, inbound: ClientConnection) -> None:
        """A client's connection has become a tunnel."""
        self._inbound.discard(inbound)
        self._tunnels.add(inbound)

    def untunnelled(self, inbound: ClientConnection) -> None:
        """A tunnel has ended."""
        self.connection_limit.release()
        self._tunnels.discard(inbound)
        self._note_emptiness()

    def trusts(self, client: str) -> bool:
        """Whether the word of this address is taken for whom it forwards for."""
        return bool(self.limits.trusted_proxies) and is_within(client, self.limits.trusted_proxies)

    def sweep(self) -> None:
        """Enforce all deadlines; to be called once a second."""
        self.clock.tick += 1
        for inbound in list(self._inbound):
            try:
                inbound.sweep(self.clock.tick)
            except Exception as fault:
                report(fault)
        self.upstream.connections.sweep()

    # Private

    def _note_emptiness(self) -> None:
        if not self._inbound and not self._tunnels:
            self._empty.set()


async def serve(server: HttpServer, sockets: list[socket.socket], drain_seconds: float) -> web.ServerRunner:
    """Accept clients on `sockets`; the runner's `cleanup` closes them and gives the rest `drain_seconds`."""
    runner = web.ServerRunner(server, shutdown_timeout=drain_seconds)
    await runner.setup()
    for one in sockets:
        await Listener(runner, one, server.connection_limit).start()
    return runner


# Private


class Listener(web.SockSite):
    """A listening socket that can be shut and opened again: what is closed then is only a duplicate of it."""

    __slots__ = ("_connection_limit", "_opening", "_wanted")

    _server: asyncio.Server | None

    def __init__(self, runner: web.ServerRunner, sock: socket.socket, connection_limit: ConnectionLimit) -> None:
        super().__init__(runner, sock)
        self._connection_limit = connection_limit
        self._wanted = False
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await web.BaseSite.start(self)
        self._wanted = True
        self._server = await self._listen()
        self._connection_limit.add(self)

    async def stop(self) -> None:
        self._connection_limit.remove(self)
        self.pause()
        await super().stop()
        self._sock.close()

    def pause(self) -> None:
        self._wanted = False
        if self._server is not None:
            server, self._server = self._server, None
            loop = asyncio.get_running_loop()
            for one in server.sockets:
                loop.remove_reader(one.fileno())  # plain asyncio accepts no more from here on
            # Whom the loop has accepted just now still needs the server that it came by.
            loop.call_soon(loop.call_soon, server.close)

    def resume(self) -> None:
        self._wanted = True
        if self._server is None and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    # Private

    async def _open(self) -> None:
        while self._wanted and self._server is None:
            try:
                self._server = await self._listen()
            except OSError:  # no descriptor is left
                await asyncio.sleep(_RETRY_SECONDS)
        self._opening = None
        if not self._wanted:
            self.pause()

    async def _listen(self) -> asyncio.Server:
        assert self._runner.server is not None
        server = await asyncio.get_running_loop().create_server(
            self._runner.server, sock=self._sock.dup(), backlog=_AT_ONCE
        )
        self._sock.listen(_BACKLOG)
        return server


async def _never_called(_: web.BaseRequest) -> NoReturn:
    raise AssertionError("our connections make no aiohttp requests")
