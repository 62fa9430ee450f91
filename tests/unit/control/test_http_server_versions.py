"""No answer of composectl's own servers tells the versions of what it is made of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.fake_daemon import FakeDaemon


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/about HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"GET /v1/unknown HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
        (b"POST /v1/about HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
        (b"\0\r\n\r\n", b"400"),
    ],
)
async def test_an_answer_names_no_version(tmp_path: Path, request_: bytes, status: bytes) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(request_)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert head.split(b" ")[1] == status
    assert b"\r\nServer: composectl\r\n" in head
    assert not any(word in head.lower() for word in (b"python", b"aiohttp"))
