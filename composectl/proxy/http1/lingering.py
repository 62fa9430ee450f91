"""The end of a client's connection, so that the last response reaches the client (RFC 9112, section 9.6)."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from composectl.balance.backend import Backend
from composectl.proxy.limits import IDLE_ENOUGH, OF_NO_USE
from composectl.proxy.listener_context import Connection, ListenerContext
from composectl.proxy.sockets import reset, unsent

_LINGER_SECONDS: Final = 5
_STALLED_SECONDS: Final = 75


def linger(context: ListenerContext, connection: Connection, transport: asyncio.Transport, *, wait: bool) -> None:
    """Close the `transport` of a connection once all was sent; `wait` where something may still come."""
    if not wait and not transport.get_write_buffer_size():
        transport.close()
        return
    lingering = Lingering(context, transport)
    context.replaced(connection, lingering)
    lingering.begin(wait=wait)


class Lingering:
    """Takes over a connection after its last response, and discards what still comes, until it is closed."""

    def __init__(self, context: ListenerContext, transport: asyncio.Transport) -> None:
        self._context = context
        self._transport = transport
        self._unsent = 0
        self._since = context.tick

    def begin(self, *, wait: bool) -> None:
        """`wait` for the client to close: to close first, with bytes unread, would take the last response away."""
        self._transport.set_protocol(cast(asyncio.Protocol, self))
        if not wait or self._transport.is_closing() or not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except OSError:  # the client has gone, unnoticed while nothing was read
            self._transport.abort()

    # The server's side

    def close(self) -> None:
        pass

    def close_after_response(self) -> None:
        pass

    def abort(self) -> None:
        if self._transport.get_write_buffer_size():
            reset(self._transport)
        else:
            self._transport.abort()

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        pass

    def idleness(self, tick: int) -> int:
        waited = tick - self._since
        return OF_NO_USE + waited if waited >= IDLE_ENOUGH and not self._unsent else 0

    def sweep(self, tick: int) -> None:
        """Wait for the client to take what is not yet sent, then, for less long, to close."""
        left = unsent(self._transport)
        if left != self._unsent:
            self._unsent, self._since = left, tick
        elif tick - self._since > (_STALLED_SECONDS if left else _LINGER_SECONDS):
            self._transport.abort()

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        pass

    def eof_received(self) -> None:
        pass

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self, error: Exception | None) -> None:
        self._context.closed(self)
