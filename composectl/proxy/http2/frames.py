"""The frames of HTTP/2 (RFC 9113, sections 4 and 6), as bytes."""

from __future__ import annotations

from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE: Final = 9
MAX_FRAME: Final = 16_384  # what every peer takes, and all that this side does
MAX_WINDOW: Final = 0x7FFF_FFFF
MAX_STREAM_ID: Final = 0x7FFF_FFFF
DEFAULT_WINDOW: Final = 65_535

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY_FLAG: Final = 0x20

SETTINGS_HEADER_TABLE_SIZE: Final = 1
SETTINGS_ENABLE_PUSH: Final = 2
SETTINGS_MAX_CONCURRENT_STREAMS: Final = 3
SETTINGS_INITIAL_WINDOW_SIZE: Final = 4
SETTINGS_MAX_FRAME_SIZE: Final = 5
SETTINGS_MAX_HEADER_LIST_SIZE: Final = 6
SETTINGS_ENABLE_CONNECT_PROTOCOL: Final = 8

NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
INTERNAL_ERROR: Final = 2
FLOW_CONTROL_ERROR: Final = 3
STREAM_CLOSED: Final = 5
FRAME_SIZE_ERROR: Final = 6
REFUSED_STREAM: Final = 7
CANCEL: Final = 8
COMPRESSION_ERROR: Final = 9
ENHANCE_YOUR_CALM: Final = 11
HTTP_1_1_REQUIRED: Final = 13

_HEADER: Final = Struct(">HBBBL")
_LONG: Final = Struct(">L")
_TWO_LONGS: Final = Struct(">LL")
_SETTING: Final = Struct(">HL")


class Http2Error(Exception):
    """The peer broke the protocol; `code` is one of RFC 9113, section 7. The connection ends with it."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


class StreamError(Exception):
    """The peer broke the protocol in one stream, which alone is reset with `code`."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    size = len(payload)
    return _HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def headers(stream_id: int, block: bytes, *, end_stream: bool) -> bytes:
    """A header block, with CONTINUATION frames where it needs them."""
    flags = END_STREAM if end_stream else 0
    if len(block) <= MAX_FRAME:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    parts = [frame(HEADERS, flags, stream_id, block[:MAX_FRAME])]
    for begin in range(MAX_FRAME, len(block), MAX_FRAME):
        piece = block[begin : begin + MAX_FRAME]
        last = begin + MAX_FRAME >= len(block)
        parts.append(frame(CONTINUATION, END_HEADERS if last else 0, stream_id, piece))
    return b"".join(parts)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join([_SETTING.pack(*pair) for pair in pairs]))


def window_update(stream_id: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, _LONG.pack(increment))


def rst_stream(stream_id: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream_id, _LONG.pack(code))


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, _TWO_LONGS.pack(last_stream_id, code) + debug)


def read_long(data: bytes, at: int) -> int:
    """The 32 bits at that place."""
    return int.from_bytes(data[at : at + 4], "big")


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The pairs of a SETTINGS frame, checked (RFC 9113, section 6.5.2). Raises Http2Error."""
    if len(payload) % _SETTING.size:
        raise Http2Error(FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
    pairs = [(int(key), int(value)) for key, value in _SETTING.iter_unpack(payload)]
    for key, value in pairs:
        if key in (SETTINGS_ENABLE_PUSH, SETTINGS_ENABLE_CONNECT_PROTOCOL) and value > 1:
            raise Http2Error(PROTOCOL_ERROR, "a setting is neither 0 nor 1")
        if key == SETTINGS_INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise Http2Error(FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
        if key == SETTINGS_MAX_FRAME_SIZE and not MAX_FRAME <= value <= 0xFF_FFFF:
            raise Http2Error(PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
    return pairs


def check_size(name: str, payload: bytes, size: int) -> None:
    """Of a frame that has always so many bytes. Raises Http2Error."""
    if len(payload) != size:
        raise Http2Error(FRAME_SIZE_ERROR, f"{name} of a wrong size")


def read_goaway(payload: bytes) -> tuple[int, int]:
    """The last stream, and why. Raises Http2Error."""
    if len(payload) < 8:
        raise Http2Error(FRAME_SIZE_ERROR, "GOAWAY is too short")
    return read_long(payload, 0) & MAX_STREAM_ID, read_long(payload, 4)


def check_priority(stream_id: int, payload: bytes) -> None:
    """PRIORITY is deprecated, and ignored (RFC 9113, section 5.3.2). Raises Http2Error and StreamError."""
    if not stream_id:
        raise Http2Error(PROTOCOL_ERROR, "PRIORITY outside a stream")
    if len(payload) != 5:
        raise StreamError(FRAME_SIZE_ERROR, "PRIORITY of a wrong size")
    if read_long(payload, 0) & MAX_STREAM_ID == stream_id:
        raise StreamError(PROTOCOL_ERROR, "a stream depends on itself")


def without_padding(payload: bytes, flags: int) -> bytes:
    """The payload of DATA or HEADERS without its padding (RFC 9113, section 6.1). Raises Http2Error."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error(PROTOCOL_ERROR, "padding exceeds the frame")
    return payload[1 : len(payload) - payload[0]]
