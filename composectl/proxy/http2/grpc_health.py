"""A call of `grpc.health.v1.Health/Check` (GRPC Health Checking Protocol), on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from composectl.proxy.http2 import frames
from composectl.proxy.http2.connection import Http2Connection
from composectl.proxy.http2.flow import STREAM_WINDOW, Flow
from composectl.proxy.http2.frames import Http2Error

NO_OPTIONS: Final[Mapping[str, Any]] = MappingProxyType({})
_STREAM_ID = 1
_PREFIX_SIZE = 5  # of a message: whether it is compressed, and its length
_SERVICE, _STATUS = b"\x0a", 0x08  # the first field of both messages, as protobuf numbers it, a text and a number
_SERVING = 1
_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
# The codes of gRPC, by number
_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_NOT_HTTP2 = "its answer is not HTTP/2"
_HUNG_UP = "it hung up without an answer"


async def why_not_serving(
    host: str, port: int, service: str, authority: bytes, options: Mapping[str, Any] = NO_OPTIONS
) -> str:
    """Why the server at this address does not serve; "" where it does.

    `service`: of at most 127 bytes, "" for the whole server; `authority`: what the call names as its host; `options`:
    those of `create_connection` for TLS.
    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()
    call = _Call(service.encode(), authority, answered)
    transport, _ = await loop.create_connection(lambda: cast(asyncio.Protocol, call), host, port, **options)
    try:
        return await answered
    finally:
        transport.abort()


# Private


class _Call(Http2Connection):
    """One stream; the first thing that ends it tells `answered`."""

    __slots__ = ("_answered", "_authority", "_body", "_fields", "_flow", "_service")

    def __init__(self, service: bytes, authority: bytes, answered: asyncio.Future[str]) -> None:
        super().__init__(STREAM_WINDOW, streams_share_window=False)
        self._service = service
        self._authority = authority
        self._answered = answered
        self._flow = self.new_flow(_STREAM_ID)
        self._fields: dict[bytes, bytes] = {}  # of the head and the trailers
        self._body = bytearray()

    # The frames' side

    def headers_came(self, stream_id: int, block: bytes, end_stream: bool) -> None:
        self._fields.update(self._decoder.decode(block))
        self._part_came(end_stream)

    def data_came(self, stream_id: int, data: bytes, end_stream: bool) -> None:
        self._body += data
        self._part_came(end_stream)

    def reset_came(self, stream_id: int, code: int) -> None:
        self._tell("it reset the call")

    def goaway_came(self, last_stream_id: int, code: int) -> None:
        if last_stream_id < _STREAM_ID:
            self._tell(_HUNG_UP)

    def flow_of(self, stream_id: int) -> Flow:
        if stream_id != _STREAM_ID:
            raise Http2Error(frames.PROTOCOL_ERROR, "the stream has never been open")
        return self._flow

    def flows(self) -> list[Flow]:
        return [self._flow]

    def stream_failed(self, stream_id: int, code: int) -> None:
        self._tell(_NOT_HTTP2)

    def failed(self, error: Http2Error) -> None:
        self._tell(_NOT_HTTP2)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        fields = [
            *((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/grpc.health.v1.Health/Check")),
            *((b":authority", self._authority), (b"content-type", b"application/grpc"), (b"te", b"trailers")),
            (b"user-agent", b"composectl"),
        ]
        message = _SERVICE + bytes((len(self._service),)) + self._service if self._service else b""
        body = b"\0" + len(message).to_bytes(_PREFIX_SIZE - 1, "big") + message
        self.transport.write(
            frames.PREFACE
            + frames.settings((frames.SETTINGS_ENABLE_PUSH, 0))
            + frames.headers(_STREAM_ID, self.encoder.encode(fields), end_stream=False)
            + frames.frame(frames.DATA, frames.END_STREAM, _STREAM_ID, body)
        )

    def eof_received(self) -> None:
        """The loop closes the connection."""

    def connection_lost(self, error: Exception | None) -> None:
        self._tell(_HUNG_UP)

    # Private

    def _part_came(self, end_stream: bool) -> None:
        if end_stream:
            answer = self._answer()
            self._tell("" if answer == _STATUSES[_SERVING] else f"grpc.health.v1 answered {answer}")

    def _answer(self) -> str:
        """What it answers, by its name in gRPC."""
        code = self._fields.get(b"grpc-status", b"")
        if code == b"0":
            status = _status_of(bytes(self._body[_PREFIX_SIZE:]))
            return _STATUSES[status] if status < len(_STATUSES) else f"status {status}"
        if code.isdigit() and int(code) < len(_CODES):
            return _CODES[int(code)]
        return f"HTTP status {self._fields.get(b':status', b'').decode('latin-1')}"

    def _tell(self, why: str) -> None:
        if not self._answered.done():
            self._answered.set_result(why)


def _status_of(message: bytes) -> int:
    """The status in a HealthCheckResponse; protobuf leaves out a 0."""
    return message[1] if len(message) > 1 and message[0] == _STATUS else 0
