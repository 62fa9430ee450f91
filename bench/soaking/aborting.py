"""Clients that leave in the middle: of a head, of an upload, of a download, of a WebSocket's frame."""

from __future__ import annotations

import asyncio

from bench.soaking.outcomes import Outcomes

_WHO = "aborted clients"
_PAUSE = 0.02
_PATIENCE = 30.0
_SEEN = 256 * 1024
_HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_HALF_A_FRAME = b"\x82\xff" + (2**20).to_bytes(8) + bytes(4) + bytes(1000)


async def mid_head(port: int, outcomes: Outcomes) -> None:
    """Leave before the head is whole."""
    await _abort(port, "mid-request", b"GET / HTTP/1.1\r\nHost: so", 0, outcomes)


async def mid_upload(port: int, outcomes: Outcomes) -> None:
    """Leave with half of what was promised."""
    head = b"POST /upload HTTP/1.1\r\nHost: soak\r\nContent-Length: 1000000\r\n\r\n"
    await _abort(port, "mid-upload", head + bytes(500_000), 0, outcomes)


async def mid_download(port: int, outcomes: Outcomes) -> None:
    """Leave while the body is coming."""
    await _abort(port, "mid-download", b"GET /10m HTTP/1.1\r\nHost: soak\r\n\r\n", _SEEN, outcomes, "HTTP/1.1 200 ")


async def mid_frame(port: int, outcomes: Outcomes) -> None:
    """Leave a tunnel with half of a frame."""
    await _abort(port, "mid-frame", _HANDSHAKE, 1, outcomes, "HTTP/1.1 101 ", _HALF_A_FRAME)


# Private


async def _abort(
    port: int, when: str, sent: bytes, seen: int, outcomes: Outcomes, start: str = "", then: bytes = b""
) -> None:
    """Send, read so much, look at how it starts, send the rest, and reset the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(_PATIENCE):
            writer.write(sent)
            await writer.drain()
            read = await _read(reader, seen)
            writer.write(then)
            await asyncio.sleep(_PAUSE)
    finally:
        writer.transport.abort()
    if read.startswith(start.encode()):
        outcomes.ended(_WHO, when)
    else:
        outcomes.failed(_WHO, f"{when}: {read[:60]!r}")


async def _read(reader: asyncio.StreamReader, at_least: int) -> bytes:
    read = b""
    while len(read) < at_least and (data := await reader.read(65536)):
        read += data
    return read
