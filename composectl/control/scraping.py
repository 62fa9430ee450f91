"""Answers scrapes, in between the requests of the proxy's clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

from composectl.balance.snapshot import Snapshot

_SHARE = 0.1  # of the time, at most: whoever asks sooner gets the last answer again, or waits
_LONGEST_KEPT = 1.0  # seconds


class _Told(NamedTuple):
    accept: str
    content_type: str
    body: bytes
    until: float  # by the monotonic clock


class Scraping:
    """One scrape after the other; each lets the loop go on after every few milliseconds."""

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
            early = self._last.until - time.monotonic()
            if early <= 0 or accept != self._last.accept:
                await asyncio.sleep(max(0.0, early))
                self._last = await self._tell(accept)
            return self._last

    async def _tell(self, accept: str) -> _Told:
        from composectl.control.metrics import expose  # only where somebody asks

        began = time.monotonic()
        exposition = expose(self._snapshot(), accept)
        pieces = []
        for piece in exposition.pieces:
            pieces.append(piece)
            await asyncio.sleep(0)
        took = time.monotonic() - began
        until = began + took + min(_LONGEST_KEPT, took / _SHARE)
        return _Told(accept, exposition.content_type, b"".join(pieces), until)
