"""A scripted backend of HTTP/2 on the library h2, which judges what the proxy sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from tests.support.raw_http import RawConnection

Fields = list[tuple[bytes, bytes]]
OK: Fields = [(b":status", b"200")]


@dataclass
class Asked:
    """One request as it has come; `ended`: it is whole."""

    stream_id: int
    fields: dict[bytes, bytes]
    body: bytearray = field(default_factory=bytearray)
    trailers: dict[bytes, bytes] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None


class Http2Wire:
    """One connection of the proxy, as its backend sees it."""

    def __init__(self, wire: RawConnection) -> None:
        self.wire = wire
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.connection = h2.connection.H2Connection(config)
        self.asked: dict[int, Asked] = {}
        self.acknowledges = True  # opens the windows again as it reads
        self.closed = False
        self.goaway: int | None = None
        self.pongs = 0

    async def start(self) -> None:
        self.connection.initiate_connection()
        await self.flush()

    async def flush(self) -> None:
        await self.wire.send(self.connection.data_to_send())

    async def request(self, number: int = 0, *, whole: bool = True) -> Asked:
        """The request of this number on this connection, once it is there, or once it is whole."""
        while not (len(self.asked) > number and (self._nth(number).ended or not whole)):
            await self.read()
            assert not self.closed, "the proxy has closed the connection"
        return self._nth(number)

    async def answer(self, stream_id: int, fields: Fields, body: bytes = b"", trailers: Fields | None = None) -> None:
        """Send a response that fits into the windows."""
        self.connection.send_headers(stream_id, fields, end_stream=not body and trailers is None)
        if body:
            self.connection.send_data(stream_id, body, end_stream=trailers is None)
        if trailers is not None:
            self.connection.send_headers(stream_id, trailers, end_stream=True)
        await self.flush()

    async def read(self) -> None:
        piece = await self.wire.piece()
        if not piece:
            self.closed = True
            return
        for event in self.connection.receive_data(piece):
            self._take(event)
        await self.flush()

    # Private

    def _nth(self, number: int) -> Asked:
        return list(self.asked.values())[number]

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.asked[event.stream_id or 0] = Asked(event.stream_id or 0, dict(event.headers or ()))
            return
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
        self.pongs += isinstance(event, h2.events.PingAckReceived)
        asked = self.asked.get(getattr(event, "stream_id", None) or 0)
        if asked is None:
            return
        if isinstance(event, h2.events.DataReceived):
            asked.body += event.data or b""
            if self.acknowledges:
                self.connection.acknowledge_received_data(event.flow_controlled_length or 0, asked.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            asked.trailers = dict(event.headers or ())
        elif isinstance(event, h2.events.StreamEnded):
            asked.ended = True
        elif isinstance(event, h2.events.StreamReset):
            asked.reset = int(event.error_code or 0)


def speaks_http2(script: Callable[[Http2Wire], Awaitable[None]]) -> Callable[[RawConnection], Awaitable[None]]:
    """A script of a ScriptedBackend: `script` is given each connection after its SETTINGS."""

    async def play(wire: RawConnection) -> None:
        speaking = Http2Wire(wire)
        await speaking.start()
        await script(speaking)

    return play
