"""The way in: few clients at once, since the proxy needs descriptors, memory and time; whoever else comes waits."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from ipaddress import ip_address
from typing import NoReturn

from aiohttp import web

MOST_CLIENTS = 64
_SILENCE = 10.0  # seconds between two requests, or before the first one is whole
_SILENCE_IN_A_CROWD = 0.25
_PATIENCE = 10.0
_LOOK_EVERY = 0.01
_COST_OF_ENTERING = 0.0001
_RETRY_SECONDS = 1.0
_SHUTDOWN_SECONDS = 2.0
_BACKLOG = 4096
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_JSON = "application/json"
_SPEC = "`GET /v1/openapi.json` tells what there is"
_TOLD = {
    HTTPStatus.NOT_FOUND: ("there is no such path", _SPEC),
    HTTPStatus.METHOD_NOT_ALLOWED: ("this path takes another method", _SPEC),
    HTTPStatus.REQUEST_TIMEOUT: ("the body did not come in time", ""),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("the body is too large", ""),
    HTTPStatus.EXPECTATION_FAILED: ("`Expect` can ask for 100-continue, and nothing else", ""),
}
_SHARE = 0.2  # of the time, at most
_COST = 0.0003  # seconds that reading and answering anything takes
# The second one is what containers call the machine that they are on.
_OURS = frozenset({"localhost", "host.docker.internal"})


class Reception:
    """Serves an application on listening sockets, until `cleanup`.

    `patience`: the seconds that a client has to send its order, and to take the answer. Where the house is full, those
    go who have had an answer, or have asked for nothing for a quarter of a second.
    """

    def __init__(self, app: web.Application, turns: Turns, patience: float = _PATIENCE) -> None:
        app.middlewares[:0] = [in_json, self._attend]
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._turns = turns
        self._doorway = Turns(_COST_OF_ENTERING)
        self._patience = patience
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

    @property
    def _is_full(self) -> bool:
        return len(self._server.connections) >= MOST_CLIENTS

    async def _accept(self, listening: socket.socket) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            await self._doorway.come()
            await self._until_there_is_room()
            try:
                client, _ = await loop.sock_accept(listening)
                _, protocol = await loop.connect_accepted_socket(lambda: _Connection(self._server), client)
            except OSError:  # for want of descriptors, or gone again
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._idle[protocol] = time.monotonic()

    async def _until_there_is_room(self) -> None:
        while self._is_full:
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
        await _read(request, self._patience)
        self._idle.pop(request.protocol, None)
        try:
            await self._turns.come()
            response = await handler(request)
            if self._is_full:
                response.force_close()
            await _send(request, response, self._patience)
            return response
        finally:
            self._idle[request.protocol] = time.monotonic()


def refuse(kind: type[web.HTTPError], error: str, hint: str = "") -> web.HTTPError:
    """The refusal, to be raised."""
    return kind(text=json.dumps({"error": error, "hint": hint}), content_type=_JSON)


@web.middleware
async def in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Has what aiohttp refuses say so in JSON, too; a fault of our own is told to the loop, and a 500."""
    try:
        return await handler(request)
    except web.HTTPError as refused:
        return answer(refused)
    except ConnectionError:
        raise
    except Exception as fault:
        asyncio.get_running_loop().call_exception_handler({"message": "a fault in composectl", "exception": fault})
        if request.writer.output_size:
            raise ConnectionAbortedError("an answer has begun already") from fault
        return answer(refuse(web.HTTPInternalServerError, f"it failed: {fault!r}"))


def answer(refused: web.HTTPError) -> web.Response:
    """What the client gets."""
    status = HTTPStatus(refused.status)
    error, hint = _TOLD.get(status, (status.phrase.lower(), ""))
    text = refused.text if refused.content_type == _JSON else json.dumps({"error": error, "hint": hint})
    headers = {"Allow": refused.headers["Allow"]} if "Allow" in refused.headers else {}
    return web.Response(status=status, text=text, content_type=_JSON, headers=headers)


def cut(request: web.Request) -> None:
    """Let a client go that does not take what it is sent."""
    if request.transport is not None:
        request.transport.abort()


class Turns:
    """First come, first served; each turn is known to take `cost` seconds of CPU, at least."""

    def __init__(self, cost: float = _COST) -> None:
        self._cost = cost
        self._line = asyncio.Lock()
        self._next = 0.0

    async def come(self) -> None:
        """Wait for one's turn."""
        async with self._line:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._cost / _SHARE

    def took(self, seconds: float) -> None:
        """This turn has taken so many seconds of CPU."""
        self._next = max(self._next, time.monotonic()) + seconds / _SHARE


def is_ours(host: str | None, *names: str) -> bool:
    """Whether a request with this `Host` may be meant for us, who are also called by `names`.

    Browsers always send one.
    """
    if host is None:
        return True
    name = _without_port(host).lower()
    return _is_address(name) or name in _OURS or name in {one.lower() for one in names if one}


# Private


class _Connection(web.RequestHandler):
    """One client; what it is told where it does not speak HTTP is no echo, and no news for the log."""

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=_SILENCE,
            lingering_time=0,
        )

    def handle_error(self, request: web.BaseRequest, status: int = 500, *_: object, **__: object) -> web.Response:
        response = answer(refuse(web.HTTPBadRequest, "that is no HTTP"))
        response.force_close()
        return response


async def _read(request: web.Request, patience: float) -> None:
    if (request.content_length or 0) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size)
    try:
        async with asyncio.timeout(patience):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


async def _send(request: web.Request, response: web.StreamResponse, patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        cut(request)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
