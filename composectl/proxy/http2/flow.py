"""Flow control of one stream (RFC 9113, section 5.2)."""

from __future__ import annotations

from typing import Final

from composectl.proxy.head import Fields

STREAM_WINDOW: Final = 65_535  # what a stream may send before it is taken


class Flow:
    """The flow control of one stream: both windows, and what the peer's window holds back.

    `held`: bytes that came and were not taken. `end`: the trailers that are to follow the last byte of `pending`, None
    where more may come; without any, the last DATA frame ends the stream. `stalled`: the seconds for which the peer has
    taken nothing of `pending`.
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
    )

    def __init__(self, stream_id: int, send_window: int) -> None:
        self.stream_id = stream_id
        self.send_window = send_window
        self.receive_window = STREAM_WINDOW
        self.held = 0
        self.unacknowledged = 0
        self.pending: list[bytes] = []
        self.offset = 0  # of what is not sent in the first of them
        self.end: Fields | None = None
        self.stalled = 0
