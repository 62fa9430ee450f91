"""Connections of which a proxy in front says first from whom they come, by the PROXY protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from composectl.balance.backend import Backend
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.errors import ErrorReason
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import UNKNOWN, ListenerContext, Successor
from composectl.proxy.protocol import BY_CONNECTION, Protocol
from composectl.proxy.proxy_protocol import BadProxyHeader, ProxyHeader, parse
from composectl.proxy.upstreams import Upstream

_HEADER_SECONDS: Final = 10
_BAD_REQUEST: Final = 400


class ProxyHeaderConnection:
    """Reads the header of a trusted proxy, and hands the connection over to what `make` makes.

    One of a peer that is not trusted is handed over at once, and refused where `protocol` is TCP: there, nothing would
    notice that it sends a header.
    """

    __slots__ = ("_context", "_make", "_moved_at", "_protocol", "_received", "_record", "_upstream", "transport")

    transport: asyncio.Transport

    def __init__(
        self, context: ListenerContext, upstream: Upstream, make: Callable[[], Successor], protocol: Protocol
    ) -> None:
        self._context = context
        self._upstream = upstream
        self._make = make
        self._protocol = protocol
        self._received = b""
        self._moved_at = context.tick
        self._record: AccessRecord | None = None

    # The server's side

    def close(self) -> None:
        self.transport.close()

    def close_after_response(self) -> None:
        pass

    def abort(self) -> None:
        self.transport.abort()

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        pass

    def idleness(self, tick: int) -> int:
        idle = tick - self._moved_at
        return 0 if idle < IDLE_ENOUGH else 1 if self._received else idle + OF_NO_USE

    def sweep(self, tick: int) -> None:
        if tick - self._moved_at > _HEADER_SECONDS:
            self._refuse(ErrorReason.NO_PROXY_PROTOCOL)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._context.opened(self)
        peer = self._context.peer_of(transport)
        if self._context.log is not None:
            self._record = self._make_record(peer[0])
        if peer == UNKNOWN:
            self.transport.abort()
        elif not self._context.is_trusted_proxy(peer[0]):
            if self._protocol is Protocol.TCP:
                self._refuse(ErrorReason.UNTRUSTED_PROXY)
            else:
                self._hand_over(b"")

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            header = parse(self._received)
        except BadProxyHeader:
            self._refuse(ErrorReason.NO_PROXY_PROTOCOL)
            return
        if header is not None:
            self._announce(header)

    def eof_received(self) -> None:
        if self._received:
            self._refuse(ErrorReason.NO_PROXY_PROTOCOL)

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: Exception | None) -> None:
        self._context.closed(self)

    # Private

    def _make_record(self, address: str) -> AccessRecord:
        service, port = self._upstream.pool.service, self._upstream.connections.port
        version = self._protocol if self._protocol in BY_CONNECTION else ""  # of HTTP, it is not known yet
        return AccessRecord(service, port, address, b"", b"", version, b"", {})

    def _announce(self, header: ProxyHeader) -> None:
        if header.client is not None:
            self._context.proxied[self.transport] = header.client
        self._hand_over(self._received[header.size :])

    def _hand_over(self, data: bytes) -> None:
        self._context.hand_over(self, self.transport, self._make(), data)

    def _refuse(self, reason: ErrorReason) -> None:
        if not self.transport.is_closing():
            self._upstream.pool.leases.bad_requests[reason] += 1
            self._context.log_access(self._record, _BAD_REQUEST, reason)
            self.transport.close()
