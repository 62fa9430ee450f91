"""Clients that behave: each does one thing over and over until it is told to stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import aiohttp

from bench import wrk
from bench.downloads import download
from bench.soaking.outcomes import Outcomes

_TURN_SECONDS = 13
_DOWNLOAD_SECONDS = 3
_MESSAGES = 20
_LARGEST = 64 * 1024
_UPLOAD = 256 * 1024
_PAUSE = 0.05
_PATIENCE = aiohttp.ClientTimeout(total=30)

Client = Callable[[int, Outcomes], Awaitable[None]]


async def keep_alive(port: int, outcomes: Outcomes) -> None:
    """wrk, on connections that it keeps."""
    await _wrk("keep-alive", wrk.Load(connections=32), port, outcomes)


async def churn(port: int, outcomes: Outcomes) -> None:
    """wrk, with a new connection for each request."""
    await _wrk("churn", wrk.Load(connections=8, close=True), port, outcomes)


async def downloads(port: int, outcomes: Outcomes) -> None:
    """Bodies of 10 MiB, read as fast as they come."""
    done = await asyncio.to_thread(download, wrk.Load("/10m", connections=2), port, _DOWNLOAD_SECONDS)
    outcomes.ended("downloads", "whole", done.requests)
    outcomes.failed("downloads", "cut", done.failed)
    await asyncio.sleep(_DOWNLOAD_SECONDS)


async def upload(port: int, outcomes: Outcomes) -> None:
    """One POST on a session of its own, with its length as the answer."""
    async with (
        aiohttp.ClientSession(timeout=_PATIENCE) as session,
        session.post(f"http://127.0.0.1:{port}/upload", data=bytes(_UPLOAD)) as response,
    ):
        text = await response.text()
    if (response.status, text) == (200, str(_UPLOAD)):
        outcomes.ended("uploads", "whole")
    else:
        outcomes.failed("uploads", f"{response.status} {text[:60]!r}")
    await asyncio.sleep(_PAUSE)


async def websocket(port: int, outcomes: Outcomes) -> None:
    """One WebSocket: messages of all sizes, each of which must come back, and an orderly end."""
    url = f"http://127.0.0.1:{port}/ws"
    async with (
        aiohttp.ClientSession(timeout=_PATIENCE) as session,
        session.ws_connect(url, max_msg_size=0) as connection,
    ):
        for number in range(_MESSAGES):
            message = os.urandom(_LARGEST >> (number % 17))
            await connection.send_bytes(message)
            if await connection.receive_bytes(timeout=_PATIENCE.total) != message:
                outcomes.failed("websockets", "another message came back")
            outcomes.ended("websockets", "messages echoed")
            await asyncio.sleep(_PAUSE)
    if connection.close_code == aiohttp.WSCloseCode.OK:
        outcomes.ended("websockets", "closed in order")
    else:
        outcomes.failed("websockets", f"closed with {connection.close_code}")


# Private


async def _wrk(client: str, load: wrk.Load, port: int, outcomes: Outcomes) -> None:
    done = await asyncio.to_thread(wrk.put, load, port, _TURN_SECONDS)
    outcomes.ended(client, "answered", done.requests - done.failed)
    outcomes.failed(client, "connect, read, write, status or timeout, as wrk counts", done.failed)
