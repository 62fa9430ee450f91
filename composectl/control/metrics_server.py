"""Answers scrapes, in between the requests of the proxy's clients."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from aiohttp import web

from composectl.balance.snapshot import Snapshot
from composectl.control.http_server import Handler, Reception, Turns, is_ours, refuse
from composectl.control.pacing import paced

_SHARE = 0.1  # of the time, at most, is for scrapes
_LONGEST_KEPT = 1.0  # seconds
_MAX_BODY = 1024


class _Told(NamedTuple):
    accept: str
    content_type: str
    body: bytes
    until: float  # by the monotonic clock


class Scraping:
    """One scrape after the other, in small pieces with pauses; whoever asks soon again gets the same answer."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._turn = asyncio.Lock()
        self._last = _Told("", "", b"", 0.0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """A handler for any aiohttp application."""
        told = await self._told(request.headers.get("Accept", ""))
        return web.Response(body=told.body, headers={"Content-Type": told.content_type})

    # Private

    async def _told(self, accept: str) -> _Told:
        async with self._turn:
            if time.monotonic() >= self._last.until or accept != self._last.accept:
                self._last = await self._tell(accept)
            return self._last

    async def _tell(self, accept: str) -> _Told:
        from composectl.control.metrics import expose, of_this_process  # only where somebody asks

        began = time.monotonic()
        process = await asyncio.to_thread(of_this_process)
        exposition = expose(self._snapshot(), process, accept)
        body = b"".join([piece async for piece in paced(exposition.pieces, _SHARE)])
        now = time.monotonic()
        return _Told(accept, exposition.content_type, body, now + min(_LONGEST_KEPT, now - began))


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
