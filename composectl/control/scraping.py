"""Answers scrapes, in between the requests of the proxy's clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

from composectl.balance.snapshot import Snapshot
from composectl.control.pacing import paced

_SHARE = 0.1  # of the time, at most, is for scrapes
_LONGEST_KEPT = 1.0  # seconds


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
