"""Connections to backends: made in time, kept for the next request, closed when their backend leaves."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from composectl.balance.backend import Backend, join_address
from composectl.balance.phase import Phase
from composectl.proxy.backend_stream import BackendStreams
from composectl.proxy.backend_tls import HTTP_1, BackendTls
from composectl.proxy.http1.backend_connection import BackendConnection
from composectl.proxy.http1.head_cache import ResponseHeadCache
from composectl.proxy.poller import CAN_POLL
from composectl.proxy.socket_transport import connect, is_address
from composectl.proxy.sockets import CAN_TELL, open_files

CONNECT_TIMEOUT: Final = 1.0
# Below the 5 s after which Node.js, the least patient of the usual servers, closes an idle connection.
_IDLE_SECONDS: Final = 4
_KEPT_PER_BACKEND: Final = 256
_EARLY_CLOSE_SECONDS: Final = 60
# Of all files that may be open, this part is for connections that are kept.
KEPT_PART: Final = 8
_GONE: Final = "its container is gone"
_READY: Final = Phase.READY  # looked up once


class ConnectionPool(BackendStreams):
    """The connections to one port of the backends of one service; the one used last is used next.

    `own_transports`: those of plain connections are not the loop's.
    """

    def __init__(
        self,
        port: int | None,
        *,
        identify: bool = True,
        connect_timeout: float = CONNECT_TIMEOUT,
        tell_number: bool = False,
        hsts: int | None = None,
        tls: BackendTls | None = None,
        own_transports: bool = CAN_POLL,
    ) -> None:
        self.port = port
        self._identify = identify
        self._tell_number = tell_number
        self._hsts_line = f"Strict-Transport-Security: max-age={hsts}\r\n".encode() if hsts else b""
        self._connect_timeout = connect_timeout  # seconds
        self._tls = tls
        self._own_transports = own_transports and tls is None
        self._kept: dict[Backend, list[BackendConnection]] = {}
        self._head_caches: dict[Backend, ResponseHeadCache] = {}
        self._early_closed: dict[Backend, int] = {}  # when it closed one of them within a second
        self._tick = 0
        self._most = open_files() // KEPT_PART

    def take(self, backend: Backend) -> BackendConnection | None:
        kept = self._kept.get(backend)
        while kept:
            connection = kept.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def take_recent(self, backend: Backend) -> BackendConnection | None:
        # Used this second, by a backend that does not close so soon
        kept = self._kept.get(backend)
        if not (CAN_TELL and kept) or kept[-1].idle_since != self._tick:
            return None
        if self._early_closed.get(backend, -_EARLY_CLOSE_SECONDS) > self._tick - _EARLY_CLOSE_SECONDS:
            return None
        return self.take(backend)

    async def dial(self, backend: Backend) -> BackendConnection:
        if _is_gone(backend):
            raise ConnectionAbortedError(_GONE)
        cache = self._head_caches.setdefault(backend, ResponseHeadCache())
        lines = self.backend_line(backend), self.number_line(backend)
        connection = BackendConnection(backend, *lines, cache, self.keep, self.lost)
        await self.connect(backend, cast(asyncio.Protocol, connection))
        if _is_gone(backend):  # and another may have its address by now
            connection.cancel()
            raise ConnectionAbortedError(_GONE)
        return connection

    def backend_line(self, backend: Backend) -> bytes:
        """The lines of each response of the backend: its name, unless clients are not told, and HSTS (RFC 6797)."""
        address = join_address(*backend.replica.address(self.port))
        return (f"X-Internal-Service: {address}\r\n".encode() if self._identify else b"") + self._hsts_line

    def number_line(self, backend: Backend) -> bytes:
        """The line that tells the backend its number, or none where backends are not told."""
        return b"X-Composectl-Replica: %d\r\n" % backend.replica.number if self._tell_number else b""

    async def connect(self, backend: Backend, protocol: asyncio.Protocol, speaks: str = HTTP_1) -> None:
        """Connect `protocol` to the backend, which is to speak HTTP_1 or HTTP_2 where it speaks TLS.

        Raises OSError, TimeoutError among them.
        """
        host, port = backend.replica.address(self.port)
        async with asyncio.timeout(self._connect_timeout):
            if self._own_transports and is_address(host):
                await connect(protocol, host, port)
                return
            options = {} if self._tls is None else self._tls.options(host, speaks)
            await asyncio.get_running_loop().create_connection(lambda: protocol, host, port, **options)

    def keep(self, connection: BackendConnection) -> None:
        """Keep a connection for the next request, unless its backend is on its way out."""
        if connection.backend.phase is not _READY:
            connection.transport.close()
            return
        connection.idle_since = self._tick
        kept = self._kept.get(connection.backend)
        if kept is None:
            kept = self._kept[connection.backend] = []
        kept.append(connection)
        if len(kept) > _KEPT_PER_BACKEND or len(kept) * len(self._kept) > self._most:
            kept.pop(0).transport.close()

    def lost(self, connection: BackendConnection) -> None:
        """A kept connection was closed by its backend."""
        kept = self._kept.get(connection.backend, [])
        if connection in kept:
            kept.remove(connection)
            if connection.idle_since == self._tick:
                self._early_closed[connection.backend] = self._tick

    def forget(self, backend: Backend) -> None:
        self._early_closed.pop(backend, None)
        if _is_gone(backend):
            self._head_caches.pop(backend, None)
        elif (cache := self._head_caches.get(backend)) is not None:
            cache.clear()  # connections that are in use go on with it
        for connection in self._kept.pop(backend, ()):
            connection.transport.close()

    def sweep(self) -> None:
        self._tick += 1
        self._most = open_files() // KEPT_PART
        for cache in self._head_caches.values():
            cache.second_passed()
        for kept in self._kept.values():
            while kept and self._tick - kept[0].idle_since > _IDLE_SECONDS:
                kept.pop(0).transport.close()

    def close(self) -> None:
        for backend in list(self._kept):
            self.forget(backend)


# Private


def _is_gone(backend: Backend) -> bool:
    return backend.phase is Phase.GONE
