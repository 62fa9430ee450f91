"""A client of HTTP/2 that says anything: the library h2 reads what it hears, and judges that."""

from __future__ import annotations

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from composectl.proxy.http2 import frames
from tests.support.raw_http import RawConnection

GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"shop.test")]
POST = [(b":method", b"POST"), *GET[1:]]


@dataclass
class Heard:
    """What came in one stream; `reset` is the code of its RST_STREAM, None where there was none."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    interims: list[bytes] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: dict[bytes, bytes] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.fields.get(b":status", b"0"))


class Http2Client:
    """`heard` holds the streams by number; `goaway` is the code of the last GOAWAY, None where there was none."""

    def __init__(self, wire: RawConnection) -> None:
        self.wire = wire
        config = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.connection = h2.connection.H2Connection(config)
        self.heard: dict[int, Heard] = {}
        self.goaway: int | None = None
        self.closed = False
        self.pongs = 0
        self.acknowledges = True  # opens the windows again as it reads

    async def start(self) -> None:
        self.connection.initiate_connection()
        await self.flush()

    async def flush(self) -> None:
        await self.wire.send(self.connection.data_to_send())

    async def ask(self, fields: list[tuple[bytes, bytes]], body: bytes | None = None) -> int:
        """Open a stream, which is whole where there is no body; its number."""
        stream_id = await self.open(fields, end_stream=body is None)
        if body is not None:
            self.connection.send_data(stream_id, body, end_stream=True)
        await self.flush()
        return stream_id

    async def open(self, fields: list[tuple[bytes, bytes]], *, end_stream: bool = False) -> int:
        """Open a stream, whose body is to come; its number."""
        stream_id = self.connection.get_next_available_stream_id()
        self.expect(stream_id)
        self.connection.send_headers(stream_id, fields, end_stream=end_stream)
        await self.flush()
        return stream_id

    def expect(self, stream_id: int) -> None:
        """A stream of this number is opened without the library."""
        self.heard[stream_id] = Heard()

    async def answer(self, fields: list[tuple[bytes, bytes]], body: bytes | None = None) -> Heard:
        return await self.until_over(await self.ask(fields, body))

    async def until_over(self, stream_id: int) -> Heard:
        """Read until the stream has ended or was reset."""
        heard = self.heard[stream_id]
        while not heard.ended and heard.reset is None:
            await self.read()
        return heard

    async def until_goaway(self) -> int:
        """Read until the proxy ends the connection; the code of its last GOAWAY."""
        while not self.closed:
            await self.read()
        assert self.goaway is not None
        return self.goaway

    async def raw(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Send a frame that the library would not."""
        await self.wire.send(frames.frame(kind, flags, stream_id, payload))

    async def read(self) -> None:
        """Take one piece of what comes."""
        try:
            piece = await self.wire.piece()
        except ConnectionResetError:
            piece = b""
        if not piece:
            self.closed = True
            for heard in self.heard.values():
                heard.ended = True
            return
        for event in self.connection.receive_data(piece):
            self._take(event)
        await self._acknowledge()

    # Private

    async def _acknowledge(self) -> None:
        data = self.connection.data_to_send()
        if data:
            try:
                await self.wire.send(data)
            except OSError:
                self.closed = True

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
            return
        self.pongs += isinstance(event, h2.events.PingAckReceived)
        heard = self.heard.get(getattr(event, "stream_id", None) or 0)
        if heard is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            heard.fields = dict(event.headers or ())
        elif isinstance(event, h2.events.InformationalResponseReceived):
            heard.interims.append(dict(event.headers or ())[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            heard.body += event.data or b""
            if self.acknowledges:
                self.connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, h2.events.TrailersReceived):
            heard.trailers = dict(event.headers or ())
        elif isinstance(event, h2.events.StreamEnded):
            heard.ended = True
        elif isinstance(event, h2.events.StreamReset):
            heard.reset = int(event.error_code or 0)
