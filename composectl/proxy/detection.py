"""The protocol of a client, recognised by the first bytes of its connection, which is one of HTTP/1 until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from composectl.proxy.http1.client_connection import ClientConnection
from composectl.proxy.http2.client_connection import Http2ClientConnection
from composectl.proxy.http2.frames import PREFACE
from composectl.proxy.listener_context import ListenerContext
from composectl.proxy.protocol import Protocol
from composectl.proxy.router import Router
from composectl.proxy.tcp import TcpConnection
from composectl.proxy.tls_hello import is_start_of_tls
from composectl.proxy.upstreams import Upstreams

HTTP_1: Final = "http/1.1"
HTTP_2: Final = "http/2"
_ENOUGH_OF_TLS: Final = 2
_MOST_KEPT: Final = 256


class Detector:
    """Hands connections over to those that speak what the client speaks.

    `make_tls` makes the one for a client that speaks TLS; None where TLS is refused.
    """

    def __init__(
        self,
        context: ListenerContext,
        upstreams: Upstreams,
        router: Router | None,
        make_tls: Callable[[], TcpConnection] | None,
    ) -> None:
        self._context = context
        self._upstreams = upstreams
        self._router = router
        self._make_tls = make_tls
        self._kept: list[ClientConnection] = []  # those that may be made again: what they consist of costs most

    def make(self) -> ClientConnection:
        """The connection of a client."""
        if self._kept:
            return self._kept.pop()
        return ClientConnection(self._context, self._upstreams, self.detect, self._keep, self._router)

    def detect(self, connection: ClientConnection, data: bytes) -> bool:
        """Whether these first bytes are HTTP/1; if not, the connection is handed over, or they are held."""
        if data.startswith(PREFACE):
            self._context.recognised[HTTP_2] += 1
            successor = Http2ClientConnection(self._context, self._upstreams, self._router)
            self._context.hand_over(connection, connection.transport, successor, data[len(PREFACE) :])
            return False
        if PREFACE.startswith(data):
            connection.held = data
            return False
        if self._make_tls is not None and is_start_of_tls(data):
            if len(data) < _ENOUGH_OF_TLS:
                connection.held = data
            else:
                self._context.recognised[Protocol.TLS] += 1
                self._context.hand_over(connection, connection.transport, self._make_tls(), data)
            return False
        self._context.recognised[HTTP_1] += 1
        return True

    # Private

    def _keep(self, connection: ClientConnection) -> None:
        if len(self._kept) < _MOST_KEPT:
            self._kept.append(connection)
