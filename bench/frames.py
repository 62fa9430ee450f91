"""Frames of HTTP/2 (RFC 9113, section 4), as the load and the servers need them."""

from __future__ import annotations

import struct
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = struct.Struct(">BHBBL")
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4


class Frame(NamedTuple):
    """One that has come."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return HEADER.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream_id) + payload


def read(data: bytes) -> tuple[list[Frame], bytes]:
    """The frames that are whole, and the rest."""
    at, found = 0, []
    while len(data) - at >= HEADER.size:
        high, low, kind, flags, stream_id = HEADER.unpack_from(data, at)
        begin = at + HEADER.size
        end = begin + (high << 16 | low)
        if end > len(data):
            break
        found.append(Frame(kind, flags, stream_id, data[begin:end]))
        at = end
    return found, data[at:]


def acknowledgement(came: Frame) -> bytes:
    """What a SETTINGS or PING is answered with; nothing for others."""
    if came.kind not in (SETTINGS, PING) or came.flags & ACK:
        return b""
    return frame(came.kind, ACK, 0, came.payload if came.kind == PING else b"")
