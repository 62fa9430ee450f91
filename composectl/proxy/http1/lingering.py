"""The end of a client's connection, so that our last words reach it (RFC 9112, section 9.6)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from composectl.proxy.sockets import as_protocol

if TYPE_CHECKING:
    from composectl.proxy.server import HttpServer

_LINGER_SECONDS = 5
_STALLED_SECONDS = 75


class Lingering:
    """Takes over a connection after its last response, and reads what still comes, for nobody, until it is closed."""

    __slots__ = ("_server", "_since", "_transport", "_unsent")

    def __init__(self, server: HttpServer, transport: asyncio.Transport) -> None:
        self._server = server
        self._transport = transport
        self._unsent = 0
        self._since = server.clock.tick

    def begin(self, *, wait: bool) -> None:
        """`wait` for the client to close: a close of ours, with bytes unread, would take our last words away."""
        self._transport.set_protocol(as_protocol(self))
        if not wait or self._transport.is_closing() or not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except OSError:  # the client has gone, unnoticed while we did not read
            self._transport.abort()

    # The server's side

    def close(self) -> None:
        """It is ending already."""

    def abort(self) -> None:
        """End now."""
        self._transport.abort()

    def sweep(self, tick: int) -> None:
        """Wait for the client to take what is not yet sent, then, for less long, to close."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._since = unsent, tick
        elif tick - self._since > (_STALLED_SECONDS if unsent else _LINGER_SECONDS):
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
        self._server.gone(self)
