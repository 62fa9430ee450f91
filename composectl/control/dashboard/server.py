"""The dashboard's server: the page, its events and history, and commands for browsers that have the token."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from aiohttp import web

from composectl.control.api import DaemonApi, add_commands
from composectl.control.commands import Progress, parse_service
from composectl.control.dashboard.auth import DashboardAuth
from composectl.control.dashboard.history import History
from composectl.control.http_server import AdmissionLimitedServer, Handler, Throttle

_MAX_BODY = 64 * 1024
_REJECTIONS = {
    HTTPStatus.MISDIRECTED_REQUEST: (
        "unknown `Host`",
        "use an address, or the name that `--dashboard NAME:PORT` was given",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: ("this dashboard is read-only", "start composectl with `--dashboard-control`"),
    HTTPStatus.FORBIDDEN: (
        "other web pages may not request this",
        "open the dashboard itself",
    ),
    HTTPStatus.UNAUTHORIZED: ("invalid token", "open the address that composectl printed when it started"),
}
_REJECTION_HEADERS = {
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "GET, HEAD"},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
}
RolloutService = Callable[[str, Progress], Coroutine[Any, Any, None]]
_PAGE = files("composectl.control.dashboard").joinpath("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


async def serve_dashboard(
    daemon: DaemonApi,
    history: History,
    rollout: RolloutService,
    auth: DashboardAuth,
    listening: Iterable[socket.socket],
) -> AdmissionLimitedServer:
    """Answer on these bound sockets, until `cleanup`, which does not wait for pages that are open.

    `rollout` takes a service, and the compose files as they are now.
    """
    app = web.Application(middlewares=[_authorized(auth)], client_max_size=_MAX_BODY)
    for file in sorted(_PAGE.iterdir(), key=lambda file: file.name):
        if kind := _TYPES.get(PurePath(file.name).suffix):
            app.router.add_get("/" if file.name == "index.html" else f"/{file.name}", _file(file.read_bytes(), kind))
    app.router.add_get("/v1/about", _about(daemon, auth))
    app.router.add_get("/v1/events", daemon.dashboard_events.answer, allow_head=False)
    app.router.add_get("/v1/history", _json(history.whole))
    app.router.add_get("/v1/history/recent", _json(history.recent))
    add_commands(app, daemon, parse_service, rollout)
    app.on_response_prepare.append(_protect)
    app.on_shutdown.append(daemon.dashboard_events.close)
    return await AdmissionLimitedServer(app, Throttle()).open(listening)


# Private


def _about(daemon: DaemonApi, auth: DashboardAuth) -> Handler:
    """`control`: whether this browser may send commands, or could with a token; `fixed`: nothing can be scaled."""

    async def answer(request: web.Request) -> web.StreamResponse:
        info = daemon.info()
        control = "no" if auth.token is None else "yes" if auth.has_token(request.headers) else "token"
        about = {"project": info.project, "pid": info.pid, "fixed": not info.has_project, "control": control}
        return web.json_response(about)

    return answer


def _json(body: Callable[[], bytes]) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body(), content_type="application/json")

    return answer


def _authorized(auth: DashboardAuth) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        status = auth.rejection(request.method, request.path, request.headers)
        if status is None:
            return await handler(request)
        error, hint = _REJECTIONS[status]
        headers = _REJECTION_HEADERS.get(status)
        return web.json_response({"error": error, "hint": hint}, status=status, headers=headers)

    return middleware


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _file(body: bytes, kind: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return answer
