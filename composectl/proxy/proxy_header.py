"""Connections of which a proxy in front says first from whom they come, by the PROXY protocol."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, cast

from composectl.balance.backend import Backend
from composectl.proxy.errors import ErrorReason
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import UNKNOWN, ListenerContext, Successor
from composectl.proxy.proxy_protocol import BadProxyHeader, ProxyHeader, parse

_HEADER_SECONDS: Final = 10


class ProxyHeaderConnection:
    """Reads the header of a trusted proxy, and hands the connection over to what `make` makes.

    One of a peer that is not trusted is handed over at once, and refused where `strict`: there, nothing would notice
    that it sends a header. `refused` counts by reason.
    """

    __slots__ = ("_context", "_make", "_moved_at", "_received", "_refused", "_strict", "transport")

    transport: asyncio.Transport

    def __init__(
        self, context: ListenerContext, make: Callable[[], Successor], refused: Counter[str], *, strict: bool
    ) -> None:
        self._context = context
        self._make = make
        self._refused = refused
        self._strict = strict
        self._received = b""
        self._moved_at = context.tick

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
            self._refuse(ErrorReason.HEAD_TOO_SLOW)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._context.opened(self)
        peer = self._context.peer_of(transport)
        if peer == UNKNOWN:
            self.transport.abort()
        elif not self._context.is_trusted_proxy(peer[0]):
            if self._strict:
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

    def _announce(self, header: ProxyHeader) -> None:
        if header.client is not None:
            self._context.proxied[self.transport] = header.client
        self._hand_over(self._received[header.size :])

    def _hand_over(self, data: bytes) -> None:
        self._context.hand_over(self, self.transport, self._make(), data)

    def _refuse(self, reason: ErrorReason) -> None:
        if not self.transport.is_closing():
            self._refused[reason] += 1
            self.transport.close()
