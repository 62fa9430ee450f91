"""The proxy as an aiohttp server: hosts the proxy's connections in place of aiohttp's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NoReturn, cast

from aiohttp import web

from composectl.balance.backend import Backend
from composectl.proxy.access_log import AccessLog
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.detection import Detector
from composectl.proxy.errors import log_internal_error
from composectl.proxy.http2.connection_pool import Http2ConnectionPool
from composectl.proxy.http2.grpc_streams import GrpcStreams
from composectl.proxy.limits import NO_LIMITS, ConnectionLimit, Limits
from composectl.proxy.listener_context import ListenerContext, Successor
from composectl.proxy.protocol import BY_CONNECTION, Protocol
from composectl.proxy.proxy_header import ProxyHeaderConnection
from composectl.proxy.router import Router
from composectl.proxy.routes import Route
from composectl.proxy.tcp import TcpConnection
from composectl.proxy.tls_acceptor import TlsAcceptor
from composectl.proxy.tls_contexts import TlsContexts
from composectl.proxy.upstreams import Upstream, Upstreams

_CLOSE_INTERVAL = 0.02
_ABORT_SECONDS = 1.0


class HttpServer(web.Server):
    """Makes a connection for each client of one upstream; for the arguments see `ListenerContext`.

    `protocol`: of its clients; where a limit of requests is in force, AUTO means HTTP. `tls`: all of them speak TLS,
    which ends here. `routes`: those of the requests that go to `upstream`, where the listener may be shared; without
    any, all go there.
    """

    def __init__(
        self,
        upstream: Upstream,
        limits: Limits = NO_LIMITS,
        connection_limit: ConnectionLimit | None = None,
        name: str = "",
        *,
        make_id: Callable[[], bytes] | None = None,
        log: AccessLog | None = None,
        on_untrusted: Callable[[str], None] = lambda client: None,
        protocol: Protocol = Protocol.AUTO,
        on_silent: Callable[[], None] = lambda: None,
        tls: TlsContexts | None = None,
        routes: Sequence[Route] = (),
    ) -> None:
        super().__init__(_never_called)
        self._drain_seconds = 0
        self.upstreams = make_upstreams(upstream, limits, speaks_http1=tls is not None)
        self._router = Router() if routes else None
        self.share(self.upstreams, routes)
        self.connection_limit = connection_limit or ConnectionLimit()
        self.context = ListenerContext(limits, name, make_id, log, self.connection_limit.release, on_untrusted)
        self._protocol = protocol
        self._tls = tls
        passes_tls = protocol is Protocol.AUTO and tls is None and not self.context.has_request_limits
        if passes_tls:
            self.context.on_silent = on_silent
        make_tls = partial(self._make_tcp, Protocol.TLS) if passes_tls else None
        self._detector = Detector(self.context, self.upstreams, self._router, make_tls)

    @property
    def make(self) -> Callable[[], Successor] | None:
        """Makes the connection of each client that comes by a transport which is not the loop's own, if it may."""
        if self.context.limits.accept_proxy_protocol:
            return None
        if self._tls is not None:
            return self._make_acceptor
        return self._make if self._protocol in BY_CONNECTION else self._detector.make

    def share(self, upstreams: Upstreams, routes: Sequence[Route], drain_seconds: int = 0) -> None:
        """Direct requests of these routes to these upstreams, which have so many seconds when the server shuts down."""
        self._drain_seconds = max(self._drain_seconds, drain_seconds)
        for route in routes:
            assert self._router is not None
            self._router.add(route, upstreams)

    # aiohttp's side

    def __call__(self) -> Successor:  # type: ignore[override]
        self.connection_limit.acquire()
        make = self._make if self._tls is None else self._make_acceptor
        if not self.context.limits.accept_proxy_protocol:
            return make()
        return ProxyHeaderConnection(self.context, self.upstreams.http1, make, self._protocol)

    def pre_shutdown(self) -> None:
        """Let every connection end with its current request."""
        for connection in list(self.context.connections):
            connection.close()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Wait for all connections to end, for `timeout` seconds or as long as a service asks; then abort them."""
        if timeout is not None:
            timeout = max(timeout, self._drain_seconds)
        for upstreams in self._all_upstreams:
            upstreams.http1.pool.drain_all("composectl ends")
            upstreams.http1.queue.close()
        try:
            async with asyncio.timeout(timeout):
                await self.context.empty.wait()
        except TimeoutError:
            await self.close_all()
        self.close_backend_connections()

    def close_backend_connections(self) -> None:
        """Close those that are kept, of either protocol."""
        for upstreams in self._all_upstreams:
            upstreams.close()

    def forget(self, backend: Backend) -> None:
        """Close what is kept to this backend: its address may soon be another's."""
        self.upstreams.forget(backend)

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        """Abort the connections whose request this backend is to answer: see `Connection.cut`."""
        for connection in [*self.context.connections, *self.context.tunnels]:
            connection.cut(backend, spare_streams=spare_streams)

    async def close_all(self) -> None:
        """Abort all connections; when this returns, they have ended."""
        for connection in [*self.context.connections, *self.context.tunnels]:
            connection.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ABORT_SECONDS):
                await self.context.empty.wait()

    # The end, where another process goes on

    async def drain_connections(self, seconds: float) -> None:
        """Tell each connected client with its next response that it is the last, for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.context.empty.is_set():
                    for connection in self.context.connections:
                        connection.close_after_response()
                    await asyncio.sleep(_CLOSE_INTERVAL)

    def sweep(self) -> None:
        """Enforce all deadlines; to be called once a second."""
        self.context.tick += 1
        self.context.request_heads.second_passed()
        for connection in [*self.context.connections, *self.context.tunnels]:
            try:
                connection.sweep(self.context.tick)
            except Exception as error:
                log_internal_error(error)
        for upstreams in self._all_upstreams:
            upstreams.sweep()
        if self._tls is not None:
            self._tls.sweep()
        self.connection_limit.sweep()

    # Private

    @property
    def _all_upstreams(self) -> list[Upstreams]:
        return [self.upstreams] if self._router is None else self._router.upstreams

    def _make(self) -> Successor:
        if self._protocol in BY_CONNECTION:
            self.context.recognised[self._protocol] += 1
            return self._make_tcp(self._protocol)
        return self._detector.make()

    def _make_acceptor(self) -> TlsAcceptor:
        assert self._tls is not None
        return TlsAcceptor(self.context, self.upstreams.http1, self._tls.choose, self._make)

    def _make_tcp(self, protocol: Protocol) -> TcpConnection:
        announces = self._protocol is not Protocol.AUTO
        upstream = self.upstreams.http1
        connections = cast(ConnectionPool, upstream.connections)
        return TcpConnection(self.context, upstream, connections, protocol, announces=announces)


def make_upstreams(upstream: Upstream, limits: Limits = NO_LIMITS, *, speaks_http1: bool = False) -> Upstreams:
    """Those of one service, whose upstream for HTTP/1 this is; `speaks_http1`: streams go to backends by HTTP/1, too.

    Browsers speak HTTP/2 to each server of TLS, and containers expect HTTP/1.1.
    """
    upstream = replace(upstream, limits=limits)
    streams = Http2ConnectionPool(cast(ConnectionPool, upstream.connections))
    return Upstreams(
        http1=upstream,
        http2=upstream if speaks_http1 else replace(upstream, connections=streams),
        grpc=replace(upstream, connections=GrpcStreams(streams)),
        limits=limits if limits.allowed_hosts or limits.max_request_body is not None else None,
        pools=(upstream.connections, streams),
    )


# Private


async def _never_called(_: web.BaseRequest) -> NoReturn:
    raise AssertionError("the proxy's connections make no aiohttp requests")
