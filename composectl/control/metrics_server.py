"""Answers scrapes, in between the requests of the proxy's clients."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from aiohttp import web

from composectl.balance.snapshot import Snapshot
from composectl.control.http_server import AdmissionLimitedServer, Handler, Throttle, is_allowed_host, refuse
from composectl.control.pacing import in_slices

_CPU_SHARE = 0.1  # of the time, at most, is for scrapes
_MAX_AGE = 1.0  # seconds
_MAX_BODY = 1024


class _Scrape(NamedTuple):
    accept: str
    content_type: str
    body: bytes
    expires: float  # by the monotonic clock


class MetricsHandler:
    """One scrape after the other, in small pieces with pauses; a scrape soon after another gets the same answer.

    `refresh` brings up to date what `snapshot` tells.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], refresh: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._snapshot = snapshot
        self._refresh = refresh
        self._turn = asyncio.Lock()
        self._last = _Scrape("", "", b"", 0.0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """A handler for any aiohttp application."""
        accept = request.headers.get("Accept", "")
        async with self._turn:
            if time.monotonic() >= self._last.expires or accept != self._last.accept:
                self._last = await self._scrape(accept)
            scrape = self._last
        return web.Response(body=scrape.body, headers={"Content-Type": scrape.content_type})

    # Private

    async def _scrape(self, accept: str) -> _Scrape:
        from composectl.control.metrics import expose, process_metrics  # slow: only at the first scrape

        began = time.monotonic()
        process = await asyncio.to_thread(process_metrics)
        await self._refresh()
        content_type, pieces = expose(self._snapshot(), process, accept)
        body = b"".join([piece async for piece in in_slices(pieces, _CPU_SHARE)])
        now = time.monotonic()
        return _Scrape(accept, content_type, body, now + min(_MAX_AGE, now - began))


async def serve_metrics(
    metrics: MetricsHandler, host: str, listening: Iterable[socket.socket]
) -> AdmissionLimitedServer:
    """Answer on bound sockets until `cleanup`; `host` is what was asked for as the host to listen on."""
    name = socket.gethostname()

    @web.middleware
    async def allowed_hosts(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_allowed_host(request.headers.get("Host"), host, name):
            hint = "use an address, or the name that `--metrics NAME:PORT` was given"
            raise refuse(web.HTTPMisdirectedRequest, "unknown `Host`", hint)
        return await handler(request)

    app = web.Application(middlewares=[allowed_hosts], client_max_size=_MAX_BODY)
    app.router.add_get("/metrics", metrics.answer, allow_head=False)
    return await AdmissionLimitedServer(app, Throttle()).open(listening)
