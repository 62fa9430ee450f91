"""The control API: HTTP with JSON on a unix socket that only its owner can open."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Protocol, TypeVar

from aiohttp import web

from composectl.balance.snapshot import Snapshot
from composectl.control.commands import (
    BackendRef,
    CanaryDecision,
    DaemonInfo,
    InvalidRequest,
    Progress,
    RolloutRequest,
    ScaleRequest,
    parse_abort,
    parse_backend_ref,
    parse_promote,
    parse_rollout,
    parse_scale,
)
from composectl.control.events import EventStream
from composectl.control.http_server import AdmissionLimitedServer, Handler, Throttle, abort, refuse
from composectl.control.listener_fds import ListenerFds, send
from composectl.control.metrics_server import MetricsHandler
from composectl.errors import ComposectlError

_MAX_BODY = 4 * 1024 * 1024  # a rendered project is in it
_MAX_LINES = 1000
_WRITE_TIMEOUT = 10.0  # seconds for a client to take a line
_SPEC_HINT = "see `GET /v1/openapi.json`"
_SPEC = files("composectl.control").joinpath("openapi.json")
_Request = TypeVar("_Request")
_Done = Coroutine[Any, Any, None]


class DaemonApi(Protocol):
    """What the API needs of a daemon; commands report their progress in lines and raise ComposectlError."""

    @property
    def events(self) -> EventStream: ...

    @property
    def metrics(self) -> MetricsHandler: ...

    def info(self) -> DaemonInfo: ...

    def snapshot(self) -> Snapshot: ...

    def scale(self, request: ScaleRequest, progress: Progress, /) -> _Done: ...

    def rollout(self, request: RolloutRequest, progress: Progress, /) -> _Done: ...

    def decide_canary(self, decision: CanaryDecision, progress: Progress, /) -> _Done: ...

    def drain(self, backend: BackendRef, progress: Progress, /) -> _Done: ...

    def undrain(self, backend: BackendRef, progress: Progress, /) -> _Done: ...

    def listeners(self) -> ListenerFds | None:
        """What the next composectl takes over; None where it cannot be taken over."""

    def stop(self) -> None: ...


async def serve_api(daemon: DaemonApi, listening: socket.socket, timeout: float = 10.0) -> AdmissionLimitedServer:
    """Answer on `listening`, a bound unix socket, until `cleanup`; a client has `timeout` seconds for its request."""
    throttle = Throttle()
    server = AdmissionLimitedServer(make_api(daemon, throttle), throttle, timeout)
    await server.open([listening])
    return server


def make_api(daemon: DaemonApi, throttle: Throttle) -> web.Application:
    api, commands = _Api(daemon, throttle), CommandHandler()
    app = web.Application(middlewares=[_owner_only], client_max_size=_MAX_BODY)
    for path, answer in {
        "/v1/about": api.about,
        "/v1/status": api.status,
        "/v1/events": daemon.events.answer,
        "/v1/openapi.json": api.describe,
        "/metrics": daemon.metrics.answer,
    }.items():
        app.router.add_get(path, answer, allow_head=False)
    app.router.add_post("/v1/scale", commands.handler(parse_scale, daemon.scale))
    app.router.add_post("/v1/rollout", commands.handler(parse_rollout, daemon.rollout))
    app.router.add_post("/v1/rollout/promote", commands.handler(parse_promote, daemon.decide_canary))
    app.router.add_post("/v1/rollout/abort", commands.handler(parse_abort, daemon.decide_canary))
    app.router.add_post("/v1/drain", commands.handler(parse_backend_ref, daemon.drain))
    app.router.add_post("/v1/undrain", commands.handler(parse_backend_ref, daemon.undrain))
    app.router.add_post("/v1/listeners", api.listeners)
    app.router.add_post("/v1/stop", api.stop)
    app.on_shutdown.append(daemon.events.close)
    return app


class CommandHandler:
    """Makes HTTP handlers of commands; a command continues when the client that sent it leaves."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def handler(
        self, parse: Callable[[Any], _Request], run: Callable[[_Request, Progress], Coroutine[Any, Any, None]]
    ) -> Handler:
        """Answers in JSON lines: `{"progress": ...}`, then `{"done": true}` or `{"error": ..., "hint": ...}`."""

        async def answer(http_request: web.Request) -> web.StreamResponse:
            request = _parsed(await http_request.read(), parse)
            lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            task = asyncio.create_task(_run(lambda progress: run(request, progress), lines))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            return await _relay(http_request, lines)

        return answer


# Private


class _Api:
    def __init__(self, daemon: DaemonApi, throttle: Throttle) -> None:
        self._daemon = daemon
        self._throttle = throttle

    async def about(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._daemon.info()))

    async def status(self, _: web.Request) -> web.Response:
        began = time.thread_time()
        response = web.json_response(self._daemon.snapshot().as_json())
        self._throttle.charge(time.thread_time() - began)
        return response

    async def describe(self, _: web.Request) -> web.Response:
        return web.Response(body=_SPEC.read_bytes(), content_type="application/json")

    async def stop(self, _: web.Request) -> web.Response:
        self._daemon.stop()
        return web.json_response({"stopping": True})

    async def listeners(self, request: web.Request) -> web.Response:
        """The descriptors are sent before the response, which is not read."""
        fds, peer = self._daemon.listeners(), request.get_extra_info("socket")
        if fds is None or peer is None:
            raise web.HTTPNotFound
        with socket.socket(fileno=os.dup(peer.fileno())) as connection:
            send(connection, fds)
        return web.Response()


@web.middleware
async def _owner_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if _peer_uid(request) not in (None, 0, os.getuid()):
        raise refuse(web.HTTPForbidden, "this composectl is another user's")
    return await handler(request)


def _peer_uid(request: web.Request) -> int | None:
    """The user at the other end (unix(7), SO_PEERCRED); None where the system does not tell."""
    sock = request.get_extra_info("socket")
    if sock is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)


async def _run(command: Callable[[Progress], Coroutine[Any, Any, None]], lines: asyncio.Queue[dict[str, Any]]) -> None:
    def progress(line: str) -> None:
        if lines.qsize() < _MAX_LINES:  # else the client does not read
            lines.put_nowait({"progress": line})

    try:
        await command(progress)
        lines.put_nowait({"done": True})
    except ComposectlError as error:
        lines.put_nowait({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})
    except Exception as error:
        lines.put_nowait({"error": f"internal error: {error!r}", "hint": "", "exit_code": 1})
        raise


async def _relay(request: web.Request, lines: asyncio.Queue[dict[str, Any]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
    await response.prepare(request)
    line: dict[str, Any] = {"progress": ""}
    try:
        while "progress" in line:
            line = await lines.get()
            async with asyncio.timeout(_WRITE_TIMEOUT):
                await response.write(json.dumps(line).encode() + b"\n")
    except TimeoutError:
        abort(request)
    return response


def _parsed(body: bytes, parse: Callable[[Any], _Request]) -> _Request:
    try:
        return parse(json.loads(body))
    except InvalidRequest as invalid:
        raise refuse(web.HTTPBadRequest, f"`{invalid}` is missing or invalid", _SPEC_HINT) from None
    except (ValueError, RecursionError):
        raise refuse(web.HTTPBadRequest, "the body is not JSON", _SPEC_HINT) from None
