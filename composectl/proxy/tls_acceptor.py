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
from composectl.proxy.first_bytes import reason_for_client
from composectl.proxy.http1.encoding import http_date
from composectl.proxy.http1.lingering import Lingering
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import ListenerContext, Successor
from composectl.proxy.tls_hello import HelloReader
from composectl.proxy.tls_transport import INCOMING, OUTGOING, TlsTransport
from composectl.proxy.upstreams import Upstream

_HANDSHAKE_SECONDS: Final = 10
_BAD_REQUEST: Final = 400
_ONLY_TICKETS_ARE_LAST: Final = "TLSv1.3"  # and may go with a response; before, it was what the client waits for
# A fatal alert, in a record of TLS 1.2, as each client understands it (RFC 8446, section 6.2; RFC 6066, section 3)
_UNRECOGNIZED_NAME: Final = b"\x15\x03\x03\x00\x02\x02\x70"


class TlsAcceptor:
    """Hands the connection over to what `make` makes once TLS is there, or refuses it.

    `choose`: the context for a name of a server, "" where the client sends none, and its ClientHello; None to refuse.
    """

    __slots__ = ("_choose", "_context", "_hello", "_is_over", "_make", "_opened_at", "_plain", "_tls", "_upstream")

    _plain: asyncio.Transport

    def __init__(
        self,
        context: ListenerContext,
        upstream: Upstream,
        choose: Callable[[str, bytearray], ssl.SSLContext | None],
        make: Callable[[], Successor],
    ) -> None:
        self._context = context
        self._upstream = upstream
        self._choose = choose
        self._make = make
        self._hello = HelloReader()
        self._opened_at = context.tick
        self._tls: ssl.SSLObject | None = None
        self._is_over = False

    # The server's side

    def close(self) -> None:
        self._is_over = True
        self._plain.close()

    def close_after_response(self) -> None:
        pass

    def abort(self) -> None:
        self._is_over = True
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
            self.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._plain = cast(asyncio.Transport, transport)
        self._context.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._tls is not None:
            self._shake_hands(self._tls, data)
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
        if self._tls is not None and not self._is_over:
            self._count(ErrorReason.TLS_HANDSHAKE)
        self._is_over = True
        self._context.closed(self)

    # Private

    def _accept(self) -> None:
        context = self._choose(self._hello.server_name, self._hello.received)
        if context is None:
            self._end(ErrorReason.UNKNOWN_SERVER_NAME, _UNRECOGNIZED_NAME)
            return
        tls = self._tls = context.wrap_bio(INCOMING, OUTGOING, server_side=True)
        self._shake_hands(tls, self._hello.received)

    def _shake_hands(self, tls: ssl.SSLObject, data: bytes | bytearray) -> None:
        INCOMING.write(data)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            if OUTGOING.pending:
                self._plain.write(OUTGOING.read())
        except OSError:
            INCOMING.read()
            self._end(ErrorReason.TLS_HANDSHAKE, OUTGOING.read())
        else:
            self._hand_over(tls)

    def _hand_over(self, tls: ssl.SSLObject) -> None:
        request, last = INCOMING.read(), OUTGOING.read()
        if last and not (request and tls.version() == _ONLY_TICKETS_ARE_LAST):
            self._plain.write(last)
            last = b""
        transport = TlsTransport(self._plain, tls, self._hello.server_name.encode(), last)
        self._plain.set_protocol(cast(asyncio.Protocol, transport))
        self._context.hand_over(self, cast(asyncio.Transport, transport), self._make(), b"")
        if request:
            transport.data_received(request)

    def _end(self, reason: ErrorReason, alert: bytes) -> None:
        """To close at once, with bytes unread, would take the alert away."""
        self._is_over = True
        self._count(reason)
        if alert:
            self._plain.write(alert)
            self._linger()
        else:
            self._plain.close()

    def _linger(self) -> None:
        lingering = Lingering(self._context, self._plain)
        self._context.replaced(self, lingering)
        lingering.begin(wait=True)

    def _refuse(self, bad: BadMessage) -> None:
        """A request without TLS is answered: its client would not understand an alert."""
        if reason_for_client(bytes(self._hello.received)) is ErrorReason.BAD_REQUEST:
            self._count(ErrorReason.PLAIN_HTTP)
            self._plain.write(error_page(_BAD_REQUEST, ErrorReason.PLAIN_HTTP, date=http_date(), close=True))
            self._linger()
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
