"""The control API: HTTP with JSON on a unix socket that only its owner can open."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from aiohttp import web

from composectl.balance.snapshot import Snapshot
from composectl.control.about import About
from composectl.control.events import Events
from composectl.control.handover import Estate, give
from composectl.control.orders import (
    BadOrder,
    Place,
    Rollout,
    Scaling,
    Verdict,
    parse_place,
    parse_rollout,
    parse_scaling,
    parse_verdict,
)
from composectl.errors import ComposectlError

_MAX_BODY = 4 * 1024 * 1024  # a rendered project is in it
_SHUTDOWN_SECONDS = 2.0
_MAX_LINES = 1000

Progress = Callable[[str], None]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Order = TypeVar("_Order", Rollout, Verdict, Place, Scaling)


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the API can ask for; what takes an order tells its progress in lines and raises ComposectlError.

    `estate`: what the next composectl takes over; None where there is none to come.
    """

    about: Callable[[], About]
    snapshot: Callable[[], Snapshot]
    events: Events
    scale: Callable[[Scaling, Progress], Awaitable[None]]
    rollout: Callable[[Rollout, Progress], Awaitable[None]]
    judge: Callable[[Verdict, Progress], Awaitable[None]]
    drain: Callable[[Place, Progress], Awaitable[None]]
    undrain: Callable[[Place, Progress], Awaitable[None]]
    estate: Callable[[], Estate] | None
    stop: Callable[[], None]


async def serve_api(handlers: Handlers, listening: socket.socket) -> web.AppRunner:
    """Answer on `listening`, a bound unix socket; the runner's `cleanup` ends it."""
    api = _Api(handlers)
    app = web.Application(middlewares=[_owner_only], client_max_size=_MAX_BODY)
    app.router.add_get("/v1/about", api.about)
    app.router.add_get("/v1/status", api.status)
    app.router.add_get("/v1/events", handlers.events.answer, allow_head=False)
    app.router.add_post("/v1/scale", api.obeys(parse_scaling, handlers.scale))
    app.router.add_post("/v1/rollout", api.obeys(parse_rollout, handlers.rollout))
    app.router.add_post("/v1/judge", api.obeys(parse_verdict, handlers.judge))
    app.router.add_post("/v1/drain", api.obeys(parse_place, handlers.drain))
    app.router.add_post("/v1/undrain", api.obeys(parse_place, handlers.undrain))
    app.router.add_post("/v1/handover", api.hand_over)
    app.router.add_post("/v1/stop", api.stop)
    app.on_shutdown.append(handlers.events.close)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner


# Private


class _Api:
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._work: set[asyncio.Task[None]] = set()  # goes on when the client that asked for it leaves

    async def about(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._handlers.about()))

    async def status(self, _: web.Request) -> web.Response:
        return web.json_response(self._handlers.snapshot().as_json())

    async def stop(self, _: web.Request) -> web.Response:
        self._handlers.stop()
        return web.json_response({"stopping": True})

    async def hand_over(self, request: web.Request) -> web.Response:
        """Descriptors go out before the answer, which is then of no use."""
        told = request.get_extra_info("socket")
        if self._handlers.estate is None or told is None:
            raise web.HTTPNotFound
        with socket.socket(fileno=os.dup(told.fileno())) as connection:
            give(connection, self._handlers.estate())
        return web.Response()

    def obeys(self, parse: Callable[[Any], _Order], obey: Callable[[_Order, Progress], Awaitable[None]]) -> Handler:
        """JSON lines: `{"progress": ...}` as it goes on, then `{"done": true}` or `{"error": ..., "hint": ...}`."""

        async def answer(request: web.Request) -> web.StreamResponse:
            order = _parsed(await request.text(), parse)
            lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MAX_LINES)
            work = asyncio.create_task(_tell(lambda progress: obey(order, progress), lines))
            self._work.add(work)
            work.add_done_callback(self._work.discard)
            return await _stream(request, lines)

        return answer


async def _tell(work: Callable[[Progress], Awaitable[None]], lines: asyncio.Queue[dict[str, Any]]) -> None:
    def progress(line: str) -> None:
        if not lines.full():  # the client does not read
            lines.put_nowait({"progress": line})

    try:
        await work(progress)
        await lines.put({"done": True})
    except ComposectlError as error:
        await lines.put({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})
    except Exception as error:
        await lines.put({"error": f"it failed: {error!r}", "hint": "", "exit_code": 1})
        raise


async def _stream(request: web.Request, lines: asyncio.Queue[dict[str, Any]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
    await response.prepare(request)
    line: dict[str, Any] = {"progress": ""}
    while "progress" in line:
        line = await lines.get()
        await response.write(json.dumps(line).encode() + b"\n")
    await response.write_eof()
    return response


def _parsed(body: str, parse: Callable[[Any], _Order]) -> _Order:
    try:
        return parse(json.loads(body))
    except BadOrder as bad:
        raise web.HTTPBadRequest(text=f"`{bad}` is missing, or not what it should be\n") from None
    except ValueError:
        raise web.HTTPBadRequest(text="the body is not JSON\n") from None


@web.middleware
async def _owner_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if _peer(request) not in (None, 0, os.getuid()):
        raise web.HTTPForbidden
    return await handler(request)


def _peer(request: web.Request) -> int | None:
    """The user at the other end (unix(7), SO_PEERCRED); None where the system does not tell."""
    sock = request.get_extra_info("socket")
    if sock is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)
