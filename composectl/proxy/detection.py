"""The protocol of a client, recognised by the first bytes of its connection, which is one of HTTP/1 until then."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from composectl.proxy.exchange import Upstream
from composectl.proxy.http1.client_connection import ClientConnection
from composectl.proxy.http2.client_connection import Http2ClientConnection
from composectl.proxy.http2.frames import PREFACE
from composectl.proxy.listener_context import ListenerContext

HTTP_1: Final = "http/1.1"
HTTP_2: Final = "http/2"


class Detector:
    """Hands connections over to those that speak what the client speaks."""

    def __init__(self, context: ListenerContext, http2_upstream: Upstream) -> None:
        self._context = context
        self._http2_upstream = http2_upstream

    def is_http1(self, connection: ClientConnection, data: bytes) -> bool:
        """Whether these first bytes are; if not, the connection is handed over, or they are held until more come."""
        if data.startswith(PREFACE):
            self._context.recognised[HTTP_2] += 1
            successor = Http2ClientConnection(self._context, self._http2_upstream)
            self._hand_over(connection, successor, data[len(PREFACE) :])
            return False
        if PREFACE.startswith(data):
            connection.held = data
            return False
        self._context.recognised[HTTP_1] += 1
        return True

    # Private

    def _hand_over(self, connection: ClientConnection, successor: Http2ClientConnection, data: bytes) -> None:
        transport = connection.transport
        self._context.forget(connection)
        transport.set_protocol(cast(asyncio.Protocol, successor))
        successor.connection_made(transport)
        if data:
            successor.data_received(data)
