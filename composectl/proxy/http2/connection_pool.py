"""Connections to backends that speak HTTP/2, and to those that turn out to speak HTTP/1.1 alone."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.proxy.backend_stream import BackendStream, BackendStreams
from composectl.proxy.backend_tls import HTTP_1, HTTP_2
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.http2.backend_connection import Http2BackendConnection
from composectl.proxy.http2.backend_stream import Http2BackendStream
from composectl.proxy.http2.frames import Http2Error

# A backend that leaves the preface unanswered for so long speaks HTTP/1.1.
_PREFACE_TIMEOUT: Final = 1.0
_IDLE_SECONDS: Final = 60
_HUNG_UP: Final = "the backend has taken no stream"


class Http2ConnectionPool(BackendStreams):
    """One connection to each backend, and more while the streams that it allows are in use."""

    may_refuse = True

    def __init__(self, http1: ConnectionPool) -> None:
        self.port = http1.port
        self._http1 = http1
        self._connections: dict[Backend, list[Http2BackendConnection]] = {}
        self._dialing: dict[Backend, asyncio.Task[Http2BackendConnection | None]] = {}
        self._speak_http1: set[Backend] = set()
        self._tick = 0

    def take(self, backend: Backend) -> BackendStream | None:
        for connection in self._connections.get(backend, ()):
            if connection.has_room:
                connection.reserved += 1
                return Http2BackendStream(connection)
        return self._http1.take(backend) if backend in self._speak_http1 else None

    def take_recent(self, backend: Backend) -> BackendStream | None:
        return self._http1.take_recent(backend) if backend in self._speak_http1 else self.take(backend)

    async def dial(self, backend: Backend) -> BackendStream:
        return await self.dial_http2(backend) or await self._http1.dial(backend)

    def speaks_http1(self, backend: Backend) -> bool:
        """Whether it has turned out to speak HTTP/1.1 alone."""
        return backend in self._speak_http1

    async def dial_http2(self, backend: Backend) -> BackendStream | None:
        """A new stream; None where the backend does not, or not now, speak HTTP/2. Raises OSError."""
        while backend not in self._speak_http1:
            task = self._dialing.get(backend)
            if task is None or task.done():  # it is so a moment before `_dialed` is called
                task = self._dialing[backend] = asyncio.get_running_loop().create_task(self._connect(backend))
                task.add_done_callback(lambda task: self._dialed(backend, task))
            connection = await asyncio.shield(task)
            if connection is None:
                break
            if stream := self.take(backend):
                return stream
            if not connection.is_usable or not connection.peer_max_streams:
                raise ConnectionResetError(_HUNG_UP)
        return None

    def forget(self, backend: Backend) -> None:
        if backend.phase is Phase.GONE:
            self._speak_http1.discard(backend)
        for connection in list(self._connections.get(backend, ())):
            connection.retire()

    def sweep(self) -> None:
        self._tick += 1
        for backend, connections in list(self._connections.items()):
            for connection in list(connections):
                connection.sweep()
                surplus = len(connections) > 1 and self._tick - connection.idle_since > _IDLE_SECONDS
                if connection.is_idle and (surplus or backend.phase is not Phase.READY):
                    connection.retire()

    def close(self) -> None:
        for task in self._dialing.values():
            task.cancel()
        for connections in list(self._connections.values()):
            for connection in list(connections):
                connection.retire()

    # Private

    async def _connect(self, backend: Backend) -> Http2BackendConnection | None:
        """Another connection; None where the backend does not speak HTTP/2. Raises OSError."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines = self._http1.backend_line(backend), self._http1.number_line(backend)
        connection = Http2BackendConnection(backend, *lines, ready, self._freed, self._lost)
        await self._http1.connect(backend, cast(asyncio.Protocol, connection), HTTP_2)
        tls = connection.transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == HTTP_1:
            connection.retire()
            self._speak_http1.add(backend)
            return None
        try:
            async with asyncio.timeout(_PREFACE_TIMEOUT):
                await ready
        except (TimeoutError, Http2Error):
            connection.retire()
            self._speak_http1.add(backend)
            return None
        except OSError:
            return None  # it may be on its way out: the next request asks again
        if backend.phase is Phase.GONE:  # and another may have its address by now
            connection.retire()
            raise ConnectionAbortedError("its container is gone")
        if not connection.is_usable:
            raise ConnectionResetError(_HUNG_UP)
        self._connections.setdefault(backend, []).append(connection)
        self.offer_websockets = connection.extended_connect
        return connection

    def _dialed(self, backend: Backend, task: asyncio.Task[Http2BackendConnection | None]) -> None:
        if self._dialing.get(backend) is task:
            del self._dialing[backend]
        if not task.cancelled():
            task.exception()  # all that waited for it may have gone

    def _freed(self, connection: Http2BackendConnection) -> None:
        connection.idle_since = self._tick

    def _lost(self, connection: Http2BackendConnection) -> None:
        connections = self._connections.get(connection.backend)
        if connections and connection in connections:
            connections.remove(connection)
            if not connections:
                del self._connections[connection.backend]
