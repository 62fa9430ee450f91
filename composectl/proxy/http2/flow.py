"""Flow control of one stream (RFC 9113, section 5.2)."""

from __future__ import annotations

from typing import Final

from composectl.proxy.head import Fields
from composectl.proxy.http2.frames import MAX_WINDOW

STREAM_WINDOW: Final = 65_535  # what a stream may send before it is taken
# Of a response: 256 of these, and `WIDE_STREAMS` of the above, are less than 1 MiB.
FIRST_WINDOW: Final = 2_048
WIDE_STREAMS: Final = 8


class Flow:
    """The flow control of one stream: both windows, and what the peer's window holds back.

    `held`: bytes that came and were not taken. `end`: the trailers that are to follow the last byte of `pending`, None
    where more may come; without any, the last DATA frame ends the stream. `stalled`: the seconds for which the peer has
    taken nothing of `pending`. `window`: what the peer may send before it is taken.
    """

    __slots__ = (
        "end",
        "held",
        "offset",
        "pending",
        "receive_window",
        "send_window",
        "stalled",
        "stream_id",
        "unacknowledged",
        "window",
    )

    def __init__(self, stream_id: int, send_window: int, window: int) -> None:
        self.stream_id = stream_id
        self.send_window = send_window
        self.window = self.receive_window = window
        self.held = 0
        self.unacknowledged = 0
        self.pending: list[bytes] = []
        self.offset = 0  # of what is not sent in the first of them
        self.end: Fields | None = None
        self.stalled = 0

    def open_send_window(self, increment: int) -> bool:
        """False where that is too large."""
        self.send_window += increment
        return self.send_window <= MAX_WINDOW

    def next_piece(self, most: int) -> tuple[bytes, int]:
        """At most so many bytes of `pending`, and how many bytes of memory are free then."""
        first = self.pending[0]
        piece = first[self.offset : self.offset + most]
        self.offset += len(piece)
        if self.offset < len(first):
            return piece, 0
        self.pending.pop(0)
        self.offset = 0
        return piece, len(first)

    def drop_pending(self) -> int:
        """How many bytes of memory are free then."""
        freed = sum(map(len, self.pending))
        self.pending.clear()
        return freed

    def widen(self) -> int:
        """Make `window` that of a large response; by how much."""
        more = STREAM_WINDOW - self.window
        self.window += more
        self.receive_window += more
        return more
