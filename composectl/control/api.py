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
from functools import partial
from importlib.resources import files
from typing import Any, Protocol, TypeVar

from aiohttp import web

from composectl.balance.snapshot import Snapshot
from composectl.control.commands import (
    BackendRef,
    CanaryDecision,
    DaemonInfo,
    InvalidRequest,
    LogsRequest,
    Progress,
    RolloutRequest,
    ScaleRequest,
    parse_backend_ref,
    parse_canary_decision,
    parse_rollout,
    parse_scale,
)
from composectl.control.events import EventStream
from composectl.control.http_server import SPEC_HINT, AdmissionLimitedServer, Handler, Throttle, abort, refuse
from composectl.control.listener_fds import ListenerFds, send
from composectl.control.logs import LogSource, LogStreams
from composectl.control.metrics_server import MetricsHandler
from composectl.errors import ComposectlError

_MAX_BODY = 4 * 1024 * 1024  # a rendered project is in it
_MAX_LINES = 1000
_WRITE_TIMEOUT = 10.0  # seconds for a client to take a line
_SPEC = files("composectl.control").joinpath("openapi.json")
_Request = TypeVar("_Request")
_Rollout = TypeVar("_Rollout")
_Done = Coroutine[Any, Any, None]
_Run = Callable[[_Request, Progress], _Done]


class DaemonApi(Protocol):
    """What the API needs of a daemon; commands report their progress in lines and raise ComposectlError."""

    events: EventStream
    dashboard_events: EventStream  # without what containers print: the dashboard may be open to others
    metrics: MetricsHandler

    def info(self) -> DaemonInfo: ...
    def refresh(self) -> _Done: ...
    def logs(self, request: LogsRequest, /) -> LogSource: ...
    def snapshot(self) -> Snapshot: ...
    def stop(self) -> None: ...
    def scale(self, request: ScaleRequest, progress: Progress, /) -> _Done: ...
    def rollout(self, request: RolloutRequest, progress: Progress, /) -> _Done: ...
    def decide_canary(self, decision: CanaryDecision, progress: Progress, /) -> _Done: ...
    def drain(self, backend: BackendRef, progress: Progress, /) -> _Done: ...
    def undrain(self, backend: BackendRef, progress: Progress, /) -> _Done: ...

    def listeners(self) -> ListenerFds | None:
        """What the next composectl takes over; None where it cannot be taken over."""


async def serve_api(daemon: DaemonApi, listening: socket.socket, timeout: float = 10.0) -> AdmissionLimitedServer:
    """Answer on `listening`, a bound unix socket, until `cleanup`; a client has `timeout` seconds for its request."""
    throttle = Throttle()
    return await AdmissionLimitedServer(make_api(daemon, throttle), throttle, timeout).open([listening])


def make_api(daemon: DaemonApi, throttle: Throttle) -> web.Application:
    api, logs = _Api(daemon, throttle), LogStreams(daemon.logs)
    app = web.Application(middlewares=[_owner_only], client_max_size=_MAX_BODY)
    app.router.add_get("/v1/about", api.about, allow_head=False)
    app.router.add_get("/v1/status", api.status, allow_head=False)
    app.router.add_get("/v1/events", daemon.events.answer, allow_head=False)
    app.router.add_get("/v1/logs", logs.answer, allow_head=False)
    app.router.add_get("/v1/openapi.json", api.describe, allow_head=False)
    app.router.add_get("/metrics", daemon.metrics.answer, allow_head=False)
    add_commands(app, daemon, parse_rollout, daemon.rollout)
    app.router.add_post("/v1/listeners", api.listeners)
    app.router.add_post("/v1/stop", api.stop)
    app.on_shutdown.extend((daemon.events.close, logs.close))
    return app


def add_commands(
    app: web.Application, daemon: DaemonApi, parse_rollout: Callable[[Any], _Rollout], rollout: _Run[_Rollout]
) -> None:
    """Add the handlers of commands, which continue when the client that sent them leaves.

    They answer in JSON lines: `{"progress": ...}`, then `{"done": true}` or `{"error": ..., "hint": ...}`.
    """
    tasks: set[asyncio.Task[None]] = set()

    def add(path: str, parse: Callable[[Any], _Request], run: _Run[_Request]) -> None:
        async def answer(http_request: web.Request) -> web.StreamResponse:
            request = read_command(await http_request.read(), parse)
            lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            task = asyncio.create_task(_run(run, request, lines))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return await _relay(http_request, lines)

        app.router.add_post(path, answer)

    add("/v1/scale", parse_scale, daemon.scale)
    add("/v1/rollout", parse_rollout, rollout)
    add("/v1/rollout/promote", partial(parse_canary_decision, promote=True), daemon.decide_canary)
    add("/v1/rollout/abort", partial(parse_canary_decision, promote=False), daemon.decide_canary)
    add("/v1/drain", parse_backend_ref, daemon.drain)
    add("/v1/undrain", parse_backend_ref, daemon.undrain)


def read_command(body: bytes, parse: Callable[[Any], _Request]) -> _Request:
    """The command in the body of a request. Raises HTTPBadRequest."""
    try:
        return parse(json.loads(body))
    except InvalidRequest as invalid:
        raise refuse(web.HTTPBadRequest, f"`{invalid}` is missing or invalid", SPEC_HINT) from None
    except (ValueError, RecursionError):
        raise refuse(web.HTTPBadRequest, "the body is not JSON", SPEC_HINT) from None


# Private


class _Api:
    def __init__(self, daemon: DaemonApi, throttle: Throttle) -> None:
        self._daemon = daemon
        self._throttle = throttle

    async def about(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._daemon.info()))

    async def status(self, _: web.Request) -> web.Response:
        await self._daemon.refresh()
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
    """Checks the user at the other end (unix(7), SO_PEERCRED), where the system reports it."""
    peer = request.get_extra_info("socket")
    if peer is not None and hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if uid not in (0, os.getuid()):
            raise refuse(web.HTTPForbidden, "this composectl is another user's")
    return await handler(request)


async def _run(run: _Run[_Request], request: _Request, lines: asyncio.Queue[dict[str, Any]]) -> None:
    def progress(line: str) -> None:
        if lines.qsize() < _MAX_LINES:  # else the client does not read
            lines.put_nowait({"progress": line})

    try:
        await run(request, progress)
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
