"""Header blocks that come in several frames (RFC 9113, sections 6.2 and 6.10), within limits (CVE-2024-27316)."""

from __future__ import annotations

from typing import Final

from composectl.proxy.http2.frames import (
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    MAX_STREAM_ID,
    PADDED,
    PRIORITY_FLAG,
    PROTOCOL_ERROR,
    Http2Error,
    read_long,
    without_padding,
)

_MAX_SIZE: Final = 64 * 1024
_MAX_FRAMES: Final = 32
_MAX_SECONDS: Final = 10


class HeaderBlock:
    """Collects the block of one stream at a time; `is_open` while CONTINUATION frames must follow."""

    __slots__ = ("_fragments", "_seconds", "end_stream", "is_open", "stream_id")

    def __init__(self) -> None:
        self._fragments: list[bytes] = []
        self._seconds = 0
        self.is_open = False
        self.stream_id = 0
        self.end_stream = False

    def begin(self, flags: int, stream_id: int, payload: bytes) -> bytes | None:
        """The block, where this HEADERS frame has all of it. Raises Http2Error."""
        if not stream_id:
            raise Http2Error(PROTOCOL_ERROR, "HEADERS outside a stream")
        if flags & PADDED:
            payload = without_padding(payload, flags)
        if flags & PRIORITY_FLAG:
            if len(payload) < 5:
                raise Http2Error(FRAME_SIZE_ERROR, "HEADERS is too short")
            if read_long(payload, 0) & MAX_STREAM_ID == stream_id:
                raise Http2Error(PROTOCOL_ERROR, "a stream depends on itself")
            payload = payload[5:]
        self.stream_id = stream_id
        self.end_stream = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            return payload
        self.is_open = True
        self._fragments = [payload]
        self._seconds = 0
        return None

    def go_on(self, flags: int, stream_id: int, payload: bytes) -> bytes | None:
        """The block, where this CONTINUATION frame has the last of it. Raises Http2Error."""
        if not self.is_open or stream_id != self.stream_id:
            raise Http2Error(PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        self._fragments.append(payload)
        if len(self._fragments) > _MAX_FRAMES or sum(map(len, self._fragments)) > _MAX_SIZE:
            raise Http2Error(ENHANCE_YOUR_CALM, "a header block is too large")
        if not flags & END_HEADERS:
            return None
        block, self._fragments = b"".join(self._fragments), []
        self.is_open = False
        return block

    def second_passed(self) -> None:
        """Raise Http2Error where the block takes too long."""
        self._seconds += 1
        if self.is_open and self._seconds > _MAX_SECONDS:
            raise Http2Error(ENHANCE_YOUR_CALM, "a header block takes too long")
