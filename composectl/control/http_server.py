"""An HTTP server beside the proxy: few clients and little CPU time at once, others wait."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, NoReturn, Self

from aiohttp import hdrs, web

_MAX_CLIENTS = 64
_IDLE_TIMEOUT = 10.0  # seconds between two requests, or before the first one is whole
_IDLE_TIMEOUT_WHEN_FULL = 0.25
_CLIENT_TIMEOUT = 10.0
_POLL_INTERVAL = 0.01
_ACCEPT_COST = 0.0001
_RETRY_SECONDS = 1.0
_SHUTDOWN_SECONDS = 2.0
_BACKLOG = 4096
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_JSON = "application/json"
_SERVER = "composectl"
SPEC_HINT = "see `GET /v1/openapi.json`"
_ERRORS = {
    HTTPStatus.NOT_FOUND: ("unknown path", SPEC_HINT),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method not allowed for this path", SPEC_HINT),
    HTTPStatus.REQUEST_TIMEOUT: ("timed out waiting for the body", ""),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("the body is too large", ""),
    HTTPStatus.EXPECTATION_FAILED: ("unsupported `Expect`: only 100-continue is", ""),
}
_CPU_SHARE = 0.2  # of the time, at most
_MIN_COST = 0.0003  # seconds of CPU to read and answer any request
# The second one is what containers call the machine that they are on.
_LOCAL_NAMES = frozenset({"localhost", "host.docker.internal"})


class AdmissionLimitedServer:
    """Serves an application on listening sockets, until `cleanup`.

    A client has `timeout` seconds to send its request, and to take the response. While there are 64 clients, those are
    closed that have had a response, or have sent nothing for a quarter of a second.
    """

    def __init__(self, app: web.Application, throttle: Throttle, timeout: float = _CLIENT_TIMEOUT) -> None:
        app.middlewares[:0] = [json_errors, self._limit]
        app.on_response_prepare.append(_hide_versions)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._throttle = throttle
        self._accept_throttle = Throttle(_ACCEPT_COST)
        self._timeout = timeout
        self._idle: dict[asyncio.BaseProtocol, float] = {}  # since when, the longest first
        self._accepting: list[asyncio.Task[NoReturn]] = []
        self._listening: list[socket.socket] = []

    async def open(self, listening: Iterable[socket.socket]) -> Self:
        """Answer on bound sockets."""
        await self._runner.setup()
        assert self._runner.server is not None
        self._server = self._runner.server
        for sock in listening:
            sock.setblocking(False)
            sock.listen(_BACKLOG)
            self._listening.append(sock)
            self._accepting.append(asyncio.create_task(self._accept(sock)))
        return self

    async def cleanup(self) -> None:
        """End what is under way, in two seconds at most, and close the sockets."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for sock in self._listening:
            sock.close()
        await self._runner.cleanup()

    # Private

    @property
    def _is_full(self) -> bool:
        return len(self._server.connections) >= _MAX_CLIENTS

    async def _accept(self, listening: socket.socket) -> NoReturn:
        loop = asyncio.get_running_loop()
        settings: dict[str, Any] = {"access_log": None, "keepalive_timeout": _IDLE_TIMEOUT, "lingering_time": 0}
        connection = partial(_Connection, self._server, loop=loop, **settings)
        while True:
            await self._accept_throttle.wait()
            await self._until_not_full()
            try:
                client, _ = await loop.sock_accept(listening)
                _, protocol = await loop.connect_accepted_socket(connection, client)
            except OSError:  # for want of descriptors, or gone again
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._idle[protocol] = time.monotonic()

    async def _until_not_full(self) -> None:
        while self._is_full:
            idle_since = time.monotonic() - _IDLE_TIMEOUT_WHEN_FULL
            for protocol in self._server.connections:
                if self._idle.get(protocol, math.inf) < idle_since:
                    protocol.force_close()
            await asyncio.sleep(_POLL_INTERVAL)
        for gone in self._idle.keys() - set(self._server.connections):
            del self._idle[gone]

    @web.middleware
    async def _limit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A client is not idle while its response is made; it is cut where it neither sends the body nor takes it."""
        if (request.content_length or 0) > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size)
        try:
            async with asyncio.timeout(self._timeout):
                await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        self._idle.pop(request.protocol, None)
        try:
            await self._throttle.wait()
            response = await handler(request)
            if self._is_full:
                response.force_close()
            await _send(request, response, self._timeout)
            return response
        finally:
            self._idle[request.protocol] = time.monotonic()


def refuse(kind: type[web.HTTPError], error: str, hint: str = "") -> web.HTTPError:
    """The error, to be raised."""
    return kind(text=json.dumps({"error": error, "hint": hint}), content_type=_JSON)


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers aiohttp's own errors in JSON, too; an internal one is reported to the loop, and is a 500."""
    try:
        return await handler(request)
    except web.HTTPError as error:
        return error_response(error)
    except ConnectionError:
        raise
    except Exception as error:
        asyncio.get_running_loop().call_exception_handler({"message": "a fault in composectl", "exception": error})
        if request.writer.output_size:
            raise ConnectionAbortedError("an answer has begun already") from error
        return error_response(refuse(web.HTTPInternalServerError, f"internal error: {error!r}"))


def error_response(raised: web.HTTPError) -> web.Response:
    """Its body is `{"error": ..., "hint": ...}`."""
    status = HTTPStatus(raised.status)
    error, hint = _ERRORS.get(status, (status.phrase.lower(), ""))
    text = raised.text if raised.content_type == _JSON else json.dumps({"error": error, "hint": hint})
    headers = {"Allow": raised.headers["Allow"]} if "Allow" in raised.headers else {}
    return web.Response(status=status, text=text, content_type=_JSON, headers=headers)


def abort(request: web.Request) -> None:
    """Close the connection of a client that does not take what it is sent."""
    if request.transport is not None:
        request.transport.abort()


class Throttle:
    """First come, first served; each turn costs at least `cost` seconds of CPU."""

    def __init__(self, cost: float = _MIN_COST) -> None:
        self._cost = cost
        self._line = asyncio.Lock()
        self._next = 0.0

    async def wait(self) -> None:
        async with self._line:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._cost / _CPU_SHARE

    def charge(self, seconds: float) -> None:
        """Add the seconds of CPU that this turn has taken."""
        self._next = max(self._next, time.monotonic()) + seconds / _CPU_SHARE


def is_allowed_host(host: str | None, *names: str) -> bool:
    """Whether a request with this `Host` may be meant for this server, which is also called by `names`.

    Browsers always send one, so that a request without it is allowed.
    """
    if host is None:
        return True
    name, colon, port = host.rpartition(":")
    name = (name if colon and port.isdigit() else host).lower()
    with suppress(ValueError):
        return bool(ip_address(name.removeprefix("[").removesuffix("]")))
    return name in _LOCAL_NAMES or name in {known.lower() for known in names if known}


# Private


class _Connection(web.RequestHandler):
    """One client; a malformed request is neither echoed nor logged."""

    def handle_error(self, request: web.BaseRequest, status: int = 500, *_: object, **__: object) -> web.Response:
        response = error_response(refuse(web.HTTPBadRequest, "malformed HTTP request"))
        response.headers[hdrs.SERVER] = _SERVER
        response.force_close()
        return response


async def _hide_versions(request: web.Request, response: web.StreamResponse) -> None:
    """By default aiohttp tells its own version and Python's."""
    response.headers[hdrs.SERVER] = _SERVER


async def _send(request: web.Request, response: web.StreamResponse, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        abort(request)
