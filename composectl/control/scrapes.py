"""`/metrics` at a TCP port, for scrapers that cannot open a unix socket."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from composectl.control.hosts import is_ours
from composectl.control.reception import Reception
from composectl.control.refusing import Handler, refuse
from composectl.control.scraping import Scraping
from composectl.control.turns import Turns

_MAX_BODY = 1024


async def serve_metrics(scraping: Scraping, named: str, listening: Iterable[socket.socket]) -> Reception:
    """Answer on bound sockets until `cleanup`; `named` is what was asked for as the host to listen on."""
    app = web.Application(middlewares=[_for(named, socket.gethostname())], client_max_size=_MAX_BODY)
    app.router.add_get("/metrics", scraping.answer, allow_head=False)
    reception = Reception(app, Turns())
    await reception.open(listening)
    return reception


# Private


def _for(*names: str) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_ours(request.headers.get("Host"), *names):
            raise refuse(
                web.HTTPMisdirectedRequest,
                "this `Host` is not a name of ours",
                "ask by address, or by the name that `--metrics NAME:PORT` was given",
            )
        return await handler(request)

    return middleware
