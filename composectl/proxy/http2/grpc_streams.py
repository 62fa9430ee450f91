"""Streams for gRPC, which goes to backends of HTTP/2 alone."""

from __future__ import annotations

import asyncio

from composectl.balance.backend import Backend
from composectl.proxy.backend_stream import BackendStream, BackendStreams, ResponseReceiver
from composectl.proxy.errors import ErrorReason
from composectl.proxy.head import Fields, RequestHead
from composectl.proxy.http2.connection_pool import Http2ConnectionPool


class GrpcStreams(BackendStreams):
    """Those of `pool` to backends that speak HTTP/2; to others, streams that fail."""

    may_refuse = True

    def __init__(self, pool: Http2ConnectionPool) -> None:
        self.port = pool.port
        self._pool = pool

    def take(self, backend: Backend) -> BackendStream | None:
        return _NoStream(speaks_http1=True) if self._pool.speaks_http1(backend) else self._pool.take(backend)

    def take_recent(self, backend: Backend) -> BackendStream | None:
        return self.take(backend)

    async def dial(self, backend: Backend) -> BackendStream:
        stream = await self._pool.dial_http2(backend)
        return stream or _NoStream(speaks_http1=self._pool.speaks_http1(backend))


# Private


class _NoStream(BackendStream):
    """Fails its exchange; unless the backend speaks HTTP/1.1, another one may take the request."""

    __slots__ = ("_exchange", "_speaks_http1")

    def __init__(self, *, speaks_http1: bool) -> None:
        self._speaks_http1 = speaks_http1
        self._exchange: ResponseReceiver | None = None

    def start(self, exchange: ResponseReceiver) -> None:
        self._exchange = exchange

    def send(self, head: RequestHead | None, body: list[bytes], trailers: Fields | None, *, once: bool) -> bool:
        asyncio.get_running_loop().call_soon(self._fail)
        return True

    def cancel(self) -> None:
        self._exchange = None

    # Private

    def _fail(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self._speaks_http1:
            exchange.failed(ErrorReason.BACKEND_SPEAKS_HTTP1, reused=False)
        else:
            exchange.refused()
