"""One probe of one backend: its port accepts, or a path of it answers well."""

from __future__ import annotations

import asyncio
import re

from composectl.balance.snapshot import join_address

_HANGS_UP_WITHIN = 0.2
_MAX_LINE = 8 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: .*)?\r?\n", re.DOTALL)


class Unwell(Exception):
    """The backend can be reached, but its answer is not that of one that is well."""


async def try_port(host: str, port: int) -> str:
    """Why it is well. Raises OSError."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return "its port accepts"


async def try_relayed_port(host: str, port: int) -> str:
    """Why it is well. Raises OSError and Unwell: a relay accepts for whom it does not reach, too, and hangs up then."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(_HANGS_UP_WITHIN):
            first = await reader.read(1)
    except TimeoutError:
        first = b"nothing yet"
    finally:
        writer.transport.abort()
    if not first:
        raise Unwell("its port accepts, and hangs up")
    return "its port accepts"


async def ask(host: str, port: int, path: str) -> str:
    """Why it is well: it answers a GET with 2xx or 3xx. Raises OSError and Unwell."""
    reader, writer = await asyncio.open_connection(host, port, limit=_MAX_LINE)
    try:
        writer.write(_request(join_address(host, port), path))
        status = await _final_status(reader)
    finally:
        writer.transport.abort()
    if status >= 400:
        raise Unwell(f"{path} answered {status}")
    return f"{path} answered {status}"


# Private


def _request(authority: str, path: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: {authority}", "User-Agent: composectl", "Accept: */*", "Connection: close")
    return "\r\n".join((*lines, "", "")).encode()


async def _final_status(reader: asyncio.StreamReader) -> int:
    while True:
        status = await _status(reader)
        if status >= 200:
            return status
        while (await _line(reader)).strip():
            pass


async def _status(reader: asyncio.StreamReader) -> int:
    match = _STATUS_LINE.fullmatch(await _line(reader))
    if match is None:
        raise Unwell("its answer is not HTTP")
    return int(match[1])


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise Unwell("its answer is not HTTP") from None
    except asyncio.IncompleteReadError:
        raise Unwell("it hung up without an answer") from None
