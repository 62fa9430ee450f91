"""Real WebSocket peers, the backend's end and the client's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from tests.support.backends import ScriptedBackend
from tests.support.proxy_fixture import ProxyFixture
from tests.support.raw_http import PATIENCE

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]
PROTOCOLS = ("chat.v2", "chat")
MESSAGE_LIMIT = 256 * 1024 * 1024


async def echo(socket: web.WebSocketResponse) -> None:
    """Send each message back as it came."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)


@asynccontextmanager
async def serving(backend: ScriptedBackend, talk: Talk = echo) -> AsyncIterator[list[web.Request]]:
    """While entered, the backend is an aiohttp server that talks so at `/chat`, and answers with the path elsewhere.

    Gives the requests that it has heard.
    """
    heard: list[web.Request] = []

    async def chat(request: web.Request) -> web.StreamResponse:
        heard.append(request)
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=MESSAGE_LIMIT)
        await socket.prepare(request)
        await talk(socket)
        return socket

    async def path(request: web.Request) -> web.StreamResponse:
        heard.append(request)
        return web.Response(text=request.path)

    application = web.Application()
    application.router.add_get("/chat{rest:.*}", chat)
    application.router.add_get("/{rest:.*}", path)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, backend.hand_over()).start()
    try:
        yield heard
    finally:
        await runner.cleanup()


def through(stage: ProxyFixture, path: str = "/chat") -> str:
    """The address of the proxy."""
    return f"ws://{stage.address[0]}:{stage.address[1]}{path}"


def directly(stage: ProxyFixture, path: str = "/chat") -> str:
    """The address of the backend."""
    return f"ws://{stage.backend.address}{path}"


async def said_back(socket: aiohttp.ClientWebSocketResponse, text: str) -> str:
    async with asyncio.timeout(PATIENCE):
        await socket.send_str(text)
        return await socket.receive_str()
