"""What nginx does not do itself behind the proxy: WebSockets, and uploads that are read to their end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web


@asynccontextmanager
async def echoing(port: int) -> AsyncIterator[None]:
    """Answer on `port` of 127.0.0.1: `/ws` says again what is said, `/upload` tells how much came."""
    app = web.Application(client_max_size=0)
    app.router.add_get("/ws", _echo)
    app.router.add_post("/upload", _count)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


# Private


async def _echo(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse(max_msg_size=0)
    await connection.prepare(request)
    async for message in connection:
        if message.type == WSMsgType.BINARY:
            await connection.send_bytes(message.data)
    return connection


async def _count(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))
