"""Connections of clients that are to speak TLS: the ClientHello is read first, and tells which certificate they get."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from composectl.balance.backend import Backend
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.error_pages import error_page
from composectl.proxy.errors import BadMessage, ErrorReason
from composectl.proxy.exchange import Upstream
from composectl.proxy.first_bytes import reason_for_client
from composectl.proxy.http1.encoding import http_date
from composectl.proxy.http1.lingering import Lingering
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import ListenerContext, Successor
from composectl.proxy.tls_contexts import TlsContexts
from composectl.proxy.tls_hello import HelloReader

_HANDSHAKE_SECONDS: Final = 10
_CLOSE_SECONDS: Final = 5  # for the other side to confirm the end
_BAD_REQUEST: Final = 400
# A fatal alert, in a record of TLS 1.2, as each client understands it (RFC 8446, section 6.2; RFC 6066, section 3)
_UNRECOGNIZED_NAME: Final = b"\x15\x03\x03\x00\x02\x02\x70"


class TlsAcceptor:
    """Hands the connection over to what `make` makes once TLS is there, or refuses it."""

    __slots__ = (
        "_context",
        "_contexts",
        "_early",
        "_hello",
        "_is_over",
        "_make",
        "_opened_at",
        "_plain",
        "_task",
        "_upstream",
    )

    _plain: asyncio.Transport

    def __init__(
        self, context: ListenerContext, upstream: Upstream, contexts: TlsContexts, make: Callable[[], Successor]
    ) -> None:
        self._context = context
        self._upstream = upstream
        self._contexts = contexts
        self._make = make
        self._hello = HelloReader()
        self._opened_at = context.tick
        self._task: asyncio.Task[None] | None = None
        self._early = b""  # decrypted before the connection is handed over
        self._is_over = False

    # The server's side

    def close(self) -> None:
        self._plain.close()

    def close_after_response(self) -> None:
        pass

    def abort(self) -> None:
        self._plain.abort()

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        pass

    def idleness(self, tick: int) -> int:
        idle = tick - self._opened_at
        return 0 if idle < IDLE_ENOUGH else 1 if self._hello.received else idle + OF_NO_USE

    def sweep(self, tick: int) -> None:
        if tick - self._opened_at > _HANDSHAKE_SECONDS:
            if self._hello.received:
                self._count(ErrorReason.HEAD_TOO_SLOW)
            self._plain.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._plain = cast(asyncio.Transport, transport)
        self._context.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            self._early += data
            return
        try:
            if self._hello.feed(data):
                self._accept()
        except BadMessage as bad:
            self._refuse(bad)

    def eof_received(self) -> None:
        pass

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: Exception | None) -> None:
        self._end()

    # Private

    def _accept(self) -> None:
        name = self._hello.server_name
        tls = self._contexts.answer_challenge(name, self._hello.received) or self._contexts.find(name)
        if tls is None:
            self._count(ErrorReason.UNKNOWN_SERVER_NAME)
            self._plain.write(_UNRECOGNIZED_NAME)
            self._plain.close()
            return
        self._plain.pause_reading()
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._start_tls(tls))
        # After two turns of the loop TLS reads in place of this object, and nothing has been read in between.
        loop.call_soon(loop.call_soon, self._feed_hello)

    async def _start_tls(self, tls: ssl.SSLContext) -> None:
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self._plain,
                cast(asyncio.Protocol, self),
                tls,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=_CLOSE_SECONDS,
            )
        except (OSError, RuntimeError):
            self._count(ErrorReason.TLS_HANDSHAKE)
            self._plain.abort()
            self._end()
            return
        if transport is None or self._plain.is_closing():
            self._end()
        elif not self._is_over:
            self._hand_over(transport)

    def _feed_hello(self) -> None:
        """TLS reads what has been read already."""
        tls = cast(asyncio.BufferedProtocol, self._plain.get_protocol())
        if cast(object, tls) is self or self._plain.is_closing():  # TLS could not begin
            return
        rest = memoryview(self._hello.received)
        while rest:
            buffer = memoryview(tls.get_buffer(len(rest)))
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            tls.buffer_updated(size)
            rest = rest[size:]

    def _hand_over(self, transport: asyncio.Transport) -> None:
        self._context.encrypted(self._plain, transport, self._hello.server_name)
        self._context.hand_over(self, transport, self._make(), self._early)

    def _refuse(self, bad: BadMessage) -> None:
        """A request without TLS is answered: its client would not understand an alert."""
        if reason_for_client(bytes(self._hello.received)) is ErrorReason.BAD_REQUEST:
            self._count(ErrorReason.PLAIN_HTTP)
            self._plain.write(error_page(_BAD_REQUEST, ErrorReason.PLAIN_HTTP, date=http_date(), close=True))
            lingering = Lingering(self._context, self._plain)
            self._context.replaced(self, lingering)
            lingering.begin(wait=True)
        else:
            self._count(ErrorReason.TLS_HANDSHAKE if bad.reason is ErrorReason.NOT_TLS else bad.reason)
            self._plain.close()

    def _count(self, reason: ErrorReason) -> None:
        self._upstream.pool.leases.bad_requests[reason] += 1
        if self._context.log is not None:
            service, port = self._upstream.pool.service, self._upstream.connections.port
            address = self._context.peer_of(self._plain)[0]
            record = AccessRecord(service, port, address, b"", b"", "", b"", {})
            self._context.log_access(record, _BAD_REQUEST, reason)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._context.closed(self)
