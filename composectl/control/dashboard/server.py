"""The server behind the page: what goes on, and, for who has the token, orders."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from composectl.control.api import Handlers
from composectl.control.commands import BadOrder, Obeying, Progress, parse_place, parse_scaling, parse_verdict
from composectl.control.dashboard.auth import Guard
from composectl.control.dashboard.history import History
from composectl.control.http_server import Handler, Reception, Turns

_MAX_BODY = 64 * 1024
_REFUSALS: dict[HTTPStatus, tuple[str, str, dict[str, str]]] = {
    HTTPStatus.MISDIRECTED_REQUEST: (
        "this `Host` is not a name of ours",
        "ask by address, or by the name that `--dashboard NAME:PORT` was given",
        {},
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        "this page takes no orders",
        "`--dashboard-control` lets it",
        {"Allow": "GET, HEAD"},
    ),
    HTTPStatus.FORBIDDEN: ("orders come from the page itself", "open the dashboard, and give the order there", {}),
    HTTPStatus.UNAUTHORIZED: (
        "the token is not known",
        "composectl printed the address with the token when it started",
        {"WWW-Authenticate": "Bearer"},
    ),
}
Renew = Callable[[str, Progress], Awaitable[None]]
_FOLDER = Path(__file__).with_name("page")
_INDEX = "index.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """What the page shows and orders; `renew` rolls a service out from the compose files as they are now."""

    handlers: Handlers
    history: History
    renew: Renew


async def serve_dashboard(sources: Sources, guard: Guard, listening: Iterable[socket.socket]) -> Reception:
    """Answer on these bound sockets, until `cleanup`, which does not wait for pages that are open."""
    reception = Reception(_application(sources, guard), Turns())
    await reception.open(listening)
    return reception


def add_site(app: web.Application) -> None:
    """Answer for each file by its name, and with the page where nothing is named."""
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            app.router.add_get("/" if path.name == _INDEX else f"/{path.name}", _answering(path))


# Private


def _application(sources: Sources, guard: Guard) -> web.Application:
    handlers, history, obeying = sources.handlers, sources.history, Obeying()
    app = web.Application(middlewares=[_guarded(guard)], client_max_size=_MAX_BODY)
    add_site(app)
    app.router.add_get("/v1/about", _told(lambda request: _about(handlers, guard, request)))
    app.router.add_get("/v1/events", handlers.events.answer, allow_head=False)
    app.router.add_get("/v1/history", _kept(history.whole))
    app.router.add_get("/v1/history/recent", _kept(history.recent))
    app.router.add_post("/v1/scale", obeying.answer(parse_scaling, handlers.scale))
    app.router.add_post("/v1/drain", obeying.answer(parse_place, handlers.drain))
    app.router.add_post("/v1/undrain", obeying.answer(parse_place, handlers.undrain))
    app.router.add_post("/v1/judge", obeying.answer(parse_verdict, handlers.judge))
    app.router.add_post("/v1/rollout", obeying.answer(_parse_service, sources.renew))
    app.on_response_prepare.append(_protect)
    app.on_shutdown.append(handlers.events.close)
    return app


def _about(handlers: Handlers, guard: Guard, request: web.Request) -> dict[str, Any]:
    """`control`: whether whoever asks may give orders, or could with a token; `fixed`: these may not be scaled."""
    about = handlers.about()
    control = "no" if guard.token is None else "yes" if guard.knows(request.headers) else "token"
    return {"project": about.project, "pid": about.pid, "fixed": not about.has_project, "control": control}


def _told(tell: Callable[[web.Request], dict[str, Any]]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(tell(request))

    return answer


def _kept(tell: Callable[[], bytes]) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=tell(), content_type="application/json")

    return answer


def _parse_service(told: Any) -> str:
    if not isinstance(told, dict) or not isinstance(told.get("service"), str):
        raise BadOrder("service")
    return str(told["service"])


def _guarded(guard: Guard) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = guard.refusal(request.method, request.headers)
        return await handler(request) if refusal is None else _refused(refusal)

    return middleware


def _refused(status: HTTPStatus) -> web.Response:
    """The same as the control API tells of what it refuses."""
    error, hint, headers = _REFUSALS[status]
    return web.json_response({"error": error, "hint": hint}, status=status, headers=headers)


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _answering(path: Path) -> Handler:
    body, kind = path.read_bytes(), _TYPES[path.suffix]

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return answer
