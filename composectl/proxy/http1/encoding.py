"""HTTP/1.1 on the wire: response heads, chunks and trailers."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import Final

from composectl.proxy.head import Fields, ResponseHead
from composectl.proxy.trailers import forwardable_trailers

CLOSE: Final = b"Connection: close\r\n"
_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_JOIN: Final = b": ".join


def encode_response(head: ResponseHead, id_line: bytes, keep_alive: bool, http_1_0: bool) -> tuple[bytes, bool, bool]:
    """A final head, whether its body is chunked, and whether the connection ends with it.

    A head without a date gets one (RFC 9110, section 6.6.1), and one without an ID gets `id_line`, if any.
    `keep_alive`: the connection may go on; `http_1_0`: the client knows no chunks.
    """
    usual = keep_alive and not (http_1_0 or head.unsized)
    id_line = head.id_line or id_line
    before_id, after_id = head.encoded
    if usual and before_id:
        return b"".join((before_id, id_line, after_id)), False, False
    chunked = head.unsized and not http_1_0
    close = not keep_alive or (head.unsized and http_1_0)
    framing = _CHUNKED if chunked else b"" if head.length is None else b"Content-Length: %b\r\n" % head.length
    connection = CLOSE if close else _KEEP_ALIVE if http_1_0 else b""
    lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    lines += map(_JOIN, head.fields)
    lines.append(b"Date: " + (head.date or http_date()))
    lines.append(head.backend_line)
    before_id, after_id = b"\r\n".join(lines), b"".join((framing, connection, b"\r\n"))
    if usual and head.date:
        head.encoded = before_id, after_id
    return b"".join((before_id, id_line, after_id)), chunked, close


def encode_interim(head: ResponseHead, id_line: bytes = b"") -> bytes:
    """A 1xx head; `id_line` as in `encode_response`."""
    start = b"HTTP/1.1 %d %b" % (head.status, head.reason)
    switch = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.upgrade if head.status == 101 else b""
    end = b"%b%b%b\r\n" % (head.backend_line, head.id_line or id_line, switch)
    return b"\r\n".join((start, *map(_JOIN, head.fields), end))


def encode_body(pieces: list[bytes]) -> list[bytes]:
    """Each piece as a chunk, in parts."""
    parts: list[bytes] = []
    for piece in pieces:
        parts += (b"%x\r\n" % len(piece), piece, b"\r\n")
    return parts


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked body, with the trailers that may be forwarded."""
    lines = b"".join([b"%b: %b\r\n" % field for field in forwardable_trailers(trailers)])
    return b"0\r\n" + lines + b"\r\n"


def http_date() -> bytes:
    """The time as RFC 9110, section 5.6.7, writes it."""
    return _format_date(int(time()))


# Private


@lru_cache(1)
def _format_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()
