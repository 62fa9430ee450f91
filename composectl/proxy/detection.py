"""The protocol of a client, recognised by the first bytes of its connection."""

from __future__ import annotations

import asyncio
from typing import cast

from composectl.balance.backend import Backend
from composectl.proxy.exchange import Upstream
from composectl.proxy.http1.client_connection import ClientConnection
from composectl.proxy.http2.client_connection import Http2ClientConnection
from composectl.proxy.http2.frames import PREFACE
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import ListenerContext

_SILENT_SECONDS = 75
_PREFACE_SECONDS = 1


class Detector:
    """Holds a new connection until it is known what the client speaks, and hands it over then."""

    __slots__ = ("_context", "_first", "_http2_upstream", "_since", "_upstream", "transport")

    transport: asyncio.Transport

    def __init__(self, context: ListenerContext, upstream: Upstream, http2_upstream: Upstream) -> None:
        self._context = context
        self._upstream = upstream
        self._http2_upstream = http2_upstream
        self._first = b""
        self._since = context.tick

    # The server's side

    def close(self) -> None:
        self.transport.close()

    def close_after_response(self) -> None:
        """What comes now may be a request."""

    def abort(self) -> None:
        self.transport.abort()

    def cut(self, backend: Backend) -> None:
        """No backend is asked yet."""

    def idleness(self, tick: int) -> int:
        waited = tick - self._since
        return 0 if waited < IDLE_ENOUGH else 1 if self._first else OF_NO_USE + waited

    def sweep(self, tick: int) -> None:
        if self._first and tick - self._since > _PREFACE_SECONDS:
            self._hand_over(ClientConnection(self._context, self._upstream), self._first)
        elif tick - self._since > _SILENT_SECONDS:
            self.transport.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._context.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._first:
            data = self._first + data
        if data.startswith(PREFACE):
            self._hand_over(Http2ClientConnection(self._context, self._http2_upstream), data[len(PREFACE) :])
        elif PREFACE.startswith(data):
            self._first = data
        else:
            self._hand_over(ClientConnection(self._context, self._upstream), data)

    def eof_received(self) -> None:
        """The loop closes the connection."""

    def pause_writing(self) -> None:
        """Nothing is written."""

    def resume_writing(self) -> None:
        """Nothing was written."""

    def connection_lost(self, error: Exception | None) -> None:
        self._context.closed(self)

    # Private

    def _hand_over(self, connection: ClientConnection | Http2ClientConnection, data: bytes) -> None:
        self._context.forget(self)
        self.transport.set_protocol(cast(asyncio.Protocol, connection))
        connection.connection_made(self.transport)
        if data:
            connection.data_received(data)
