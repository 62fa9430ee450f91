"""The control API: HTTP with JSON on a unix socket that only its owner can open."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from importlib.resources import files

from aiohttp import web

from composectl.balance.snapshot import Snapshot
from composectl.control.commands import (
    Obeying,
    Place,
    Progress,
    Rollout,
    Scaling,
    Verdict,
    parse_place,
    parse_rollout,
    parse_scaling,
    parse_verdict,
)
from composectl.control.events import Events
from composectl.control.http_server import Handler, Reception, Turns, refuse
from composectl.control.listener_fds import Estate, give
from composectl.control.metrics_server import Scraping

_MAX_BODY = 4 * 1024 * 1024  # a rendered project is in it
_SPEC = files("composectl.control").joinpath("openapi.json")


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the API can ask for; what takes an order tells its progress in lines and raises ComposectlError.

    `estate`: what the next composectl takes over; None where there is none to come.
    """

    about: Callable[[], About]
    snapshot: Callable[[], Snapshot]
    events: Events
    scraping: Scraping
    scale: Callable[[Scaling, Progress], Awaitable[None]]
    rollout: Callable[[Rollout, Progress], Awaitable[None]]
    judge: Callable[[Verdict, Progress], Awaitable[None]]
    drain: Callable[[Place, Progress], Awaitable[None]]
    undrain: Callable[[Place, Progress], Awaitable[None]]
    estate: Callable[[], Estate] | None
    stop: Callable[[], None]


async def serve_api(handlers: Handlers, listening: socket.socket, patience: float = 10.0) -> Reception:
    """Answer on `listening`, a bound unix socket, until `cleanup`; clients have `patience` seconds for their orders."""
    turns = Turns()
    reception = Reception(make_api(handlers, turns), turns, patience)
    await reception.open([listening])
    return reception


def make_api(handlers: Handlers, turns: Turns) -> web.Application:
    """What there is, path by path."""
    api, obeying = _Api(handlers, turns), Obeying()
    app = web.Application(middlewares=[_owner_only], client_max_size=_MAX_BODY)
    for path, answer in {
        "/v1/about": api.about,
        "/v1/status": api.status,
        "/v1/events": handlers.events.answer,
        "/v1/openapi.json": api.describe,
        "/metrics": handlers.scraping.answer,
    }.items():
        app.router.add_get(path, answer, allow_head=False)
    app.router.add_post("/v1/scale", obeying.answer(parse_scaling, handlers.scale))
    app.router.add_post("/v1/rollout", obeying.answer(parse_rollout, handlers.rollout))
    app.router.add_post("/v1/judge", obeying.answer(parse_verdict, handlers.judge))
    app.router.add_post("/v1/drain", obeying.answer(parse_place, handlers.drain))
    app.router.add_post("/v1/undrain", obeying.answer(parse_place, handlers.undrain))
    app.router.add_post("/v1/handover", api.hand_over)
    app.router.add_post("/v1/stop", api.stop)
    app.on_shutdown.append(handlers.events.close)
    return app


@dataclass(frozen=True, slots=True)
class About:
    """`directory` is the project's, as an absolute path; `listeners` are `host:port`.

    `published_host`: the address at which its backends publish ports for it; "" where they are reached at their own.
    `metrics`: the URL at which they are scraped; "" where there is none but that of the control socket.
    `dashboard`: the URL of its page for browsers; "" where there is none.

    A proxy over fixed backends has no directory, and its own name as `project`.
    """

    project: str
    pid: int
    directory: str
    listeners: tuple[str, ...]
    published_host: str = ""
    metrics: str = ""
    dashboard: str = ""

    @property
    def has_project(self) -> bool:
        """Whether it balances a project of Compose."""
        return bool(self.directory)

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"{'project' if self.has_project else 'proxy'} `{self.project}`"


# Private


class _Api:
    def __init__(self, handlers: Handlers, turns: Turns) -> None:
        self._handlers = handlers
        self._turns = turns

    async def about(self, _: web.Request) -> web.Response:
        return web.json_response(asdict(self._handlers.about()))

    async def status(self, _: web.Request) -> web.Response:
        began = time.thread_time()
        response = web.json_response(self._handlers.snapshot().as_json())
        self._turns.took(time.thread_time() - began)
        return response

    async def describe(self, _: web.Request) -> web.Response:
        return web.Response(body=_SPEC.read_bytes(), content_type="application/json")

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


@web.middleware
async def _owner_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if _peer(request) not in (None, 0, os.getuid()):
        raise refuse(web.HTTPForbidden, "this composectl is another user's")
    return await handler(request)


def _peer(request: web.Request) -> int | None:
    """The user at the other end (unix(7), SO_PEERCRED); None where the system does not tell."""
    sock = request.get_extra_info("socket")
    if sock is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)
