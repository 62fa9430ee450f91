"""A stream of HTTP/2 as a transport: what a tunnel reads from and writes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from composectl.proxy.http2 import frames
from composectl.proxy.http2.connection import Http2Connection
from composectl.proxy.http2.flow import Flow


class StreamTransport(asyncio.Transport):
    """`on_end`: called once when it has ended the stream, with the code to reset it with, None where both sides ended.

    What comes is held, and its window stays closed, until a protocol reads it.
    """

    def __init__(self, connection: Http2Connection, flow: Flow, on_end: Callable[[int | None], None]) -> None:
        super().__init__()
        self._connection = connection
        self._flow = flow
        self._on_end = on_end
        self._protocol: asyncio.Protocol | None = None
        self._unread: list[bytes] = []
        self._reading = False
        self._writable = True
        self._closing = False
        self._over = False
        self.peer_ended = False

    # The frames' side

    def data_came(self, data: bytes, end_stream: bool) -> None:
        if data:
            self._unread.append(data)
        self.peer_ended = self.peer_ended or end_stream
        self._deliver()

    def window_opened(self) -> None:
        """All that was written is sent."""
        if self._closing:
            self._end()
        else:
            self.resume_writing()

    def pause_writing(self) -> None:
        if self._writable and self._protocol is not None:
            self._writable = False
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if not (self._writable or self._protocol is None or self._flow.pending or self._connection.write_paused):
            self._writable = True
            self._protocol.resume_writing()

    def lost(self) -> None:
        """The stream was reset, or its connection has ended."""
        if not self._over:
            self._over = self._closing = True
            self._unread.clear()
            self._tell(ConnectionResetError())

    # The tunnel's side

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        asyncio.get_running_loop().call_soon(self._deliver)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not data or self._closing:
            return
        if not self._connection.send_data(self._flow, [bytes(data)], None) or self._connection.write_paused:
            self.pause_writing()

    def close(self) -> None:
        """End the stream behind what was written."""
        if not self._closing:
            self._closing = True
            if self._connection.send_data(self._flow, [b""], []):
                self._end()

    def abort(self) -> None:
        if not self._over:
            self._over = self._closing = True
            self._unread.clear()
            self._on_end(frames.CANCEL)
            self._tell(None)

    # Private

    def _deliver(self) -> None:
        protocol = self._protocol
        if protocol is None:
            return
        while self._unread and self._reading and not self._closing:
            protocol.data_received(self._unread.pop(0))
        if self._unread or self._closing or not self._reading:
            return
        self._connection.taken(self._flow, ended=self.peer_ended)
        if self.peer_ended:
            self.close()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._on_end(None if self.peer_ended else frames.NO_ERROR)
            self._tell(None)

    def _tell(self, error: Exception | None) -> None:
        if self._protocol is not None:
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)
