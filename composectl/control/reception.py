"""The way in: few clients at once, since the proxy needs descriptors, memory and time; whoever else comes waits."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterable
from typing import NoReturn

from aiohttp import web

from composectl.control.refusing import Handler, cut, in_json
from composectl.control.turns import Turns

MOST_CLIENTS = 64
_SILENCE = 10.0  # seconds between two requests, or before the first one is whole
_SILENCE_IN_A_CROWD = 0.25
_PATIENCE = 10.0  # seconds for a client to take an answer
_LOOK_EVERY = 0.05
_RETRY_SECONDS = 1.0
_SHUTDOWN_SECONDS = 2.0
_BACKLOG = 128

# What does not parse is no news: it would be told in the middle of the table.
_UNHEARD = logging.Logger("unheard")
_UNHEARD.addHandler(logging.NullHandler())


class Reception:
    """Serves an application on listening sockets, until `cleanup`.

    Where the house is full, those go who have asked for nothing for a quarter of a second.
    """

    def __init__(self, app: web.Application, turns: Turns) -> None:
        app.middlewares[:0] = [in_json, self._attend]
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_UNHEARD,
            keepalive_timeout=_SILENCE,
            lingering_time=0,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        self._turns = turns
        self._idle: dict[asyncio.BaseProtocol, float] = {}  # since when, who has waited longest first
        self._accepting: list[asyncio.Task[NoReturn]] = []
        self._listening: list[socket.socket] = []

    async def open(self, listening: Iterable[socket.socket]) -> None:
        """Answer on bound sockets."""
        await self._runner.setup()
        for one in listening:
            one.setblocking(False)
            one.listen(_BACKLOG)
            self._listening.append(one)
            self._accepting.append(asyncio.create_task(self._accept(one)))

    async def cleanup(self) -> None:
        """Let clients have what they were promised, for two seconds at most, and close the sockets."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for one in self._listening:
            one.close()
        await self._runner.cleanup()

    # Private

    @property
    def _server(self) -> web.Server:
        server = self._runner.server
        assert server is not None
        return server

    async def _accept(self, listening: socket.socket) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            await self._turns.come()
            await self._until_there_is_room()
            try:
                client, _ = await loop.sock_accept(listening)
                _, protocol = await loop.connect_accepted_socket(self._server, client)
            except OSError:  # for want of descriptors, or gone again
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._idle[protocol] = time.monotonic()

    async def _until_there_is_room(self) -> None:
        while len(self._server.connections) >= MOST_CLIENTS:
            self._send_off(time.monotonic() - _SILENCE_IN_A_CROWD)
            await asyncio.sleep(_LOOK_EVERY)
        for gone in self._idle.keys() - set(self._server.connections):
            del self._idle[gone]

    def _send_off(self, since: float) -> None:
        """Close the connections that have been idle since then, at least."""
        for protocol in [one for one in self._server.connections if self._idle.get(one, since + 1) < since]:
            protocol.force_close()

    @web.middleware
    async def _attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody is idle while an answer is made; who does not send the body, or take the answer, is let go."""
        await _read(request)
        self._idle.pop(request.protocol, None)
        try:
            await self._turns.come()
            response = await handler(request)
            await _send(request, response)
            return response
        finally:
            self._idle[request.protocol] = time.monotonic()


# Private


async def _read(request: web.Request) -> None:
    if (request.content_length or 0) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size)
    try:
        async with asyncio.timeout(_PATIENCE):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


async def _send(request: web.Request, response: web.StreamResponse) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        cut(request)
