"""What goes on, as server-sent events: the snapshot whenever it is another one, and each change as it happens."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable

from aiohttp import web

from composectl.balance.backend import Transition
from composectl.balance.snapshot import Snapshot, change_as_json
from composectl.changes import Subscriber
from composectl.control.http_server import cut, refuse

_SHORTEST_PAUSE = 0.5  # seconds between two snapshots
_LONGEST_PAUSE = 2.0
_AGE = 0.4  # the live table asks for one now and then, too
_SHARE = 0.01  # of the time, at most, for snapshots, up to the longest pause: the loop has requests to serve
_PATIENCE = 10.0
_MOST_READERS = 32
_MOST_CHANGES = 100
_END = b"event: end\ndata: {}\n\n"
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Events:
    """Tells all readers the same, rendered once; who reads slowly gets the newest snapshot, and may miss changes.

    `snapshot` tells one as JSON, so many seconds old at most; `read_by` is the journal's; `patience`: the seconds that
    a reader has to take what it is sent. `answer` is a handler for any aiohttp application, which is to `close` at its
    end.
    """

    def __init__(
        self, snapshot: Callable[[float], bytes], read_by: Callable[[Subscriber], None], patience: float = _PATIENCE
    ) -> None:
        self._snapshot = snapshot
        self._patience = patience
        self._readers: set[_Reader] = set()
        self._newest = b""
        self._told_at = 0.0
        self._telling: asyncio.Task[None] | None = None
        self._is_over = False
        read_by(self._tell_change)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Tell this client, until it leaves, stops reading, or we end."""
        if len(self._readers) >= _MOST_READERS:
            raise refuse(web.HTTPServiceUnavailable, f"{_MOST_READERS} readers are told already")
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        reader = self._admit()
        try:
            await reader.relay(response, self._patience)
        except TimeoutError:
            cut(request)
        finally:
            self._readers.discard(reader)
        return response

    async def close(self, _: web.Application | None = None) -> None:
        """Let every reader have what it was told, and no more."""
        self._is_over = True
        for reader in self._readers:
            reader.end()
        if self._telling is not None:
            self._telling.cancel()

    # Private

    def _admit(self) -> _Reader:
        reader = _Reader()
        self._readers.add(reader)
        if self._telling is None or self._telling.done():
            self._newest = b""
            self._telling = asyncio.create_task(self._tell())
        elif self._newest:
            reader.snapshot(self._newest)
        if self._is_over:
            reader.end()
        return reader

    async def _tell(self) -> None:
        while self._readers and not self._is_over:
            began = time.perf_counter()
            self._tell_snapshot(began)
            took = time.perf_counter() - began
            await asyncio.sleep(min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, took / _SHARE)))

    def _tell_snapshot(self, now: float) -> None:
        newest = _event("snapshot", self._snapshot(_AGE))
        if newest != self._newest or now - self._told_at >= _LONGEST_PAUSE - _SHORTEST_PAUSE:
            self._newest, self._told_at = newest, now
            for reader in self._readers:
                reader.snapshot(newest)

    def _tell_change(self, change: Transition) -> None:
        if self._readers:
            told = _event("change", json.dumps(change_as_json(change), separators=(",", ":")).encode())
            for reader in self._readers:
                reader.change(told)


class Lately:
    """Remembers the last one: making it is most of what it costs the loop to be watched."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._made = b""
        self._at = float("-inf")

    def json(self, age: float) -> bytes:
        """The JSON of a snapshot that is at most `age` seconds old, without a line end."""
        now = time.monotonic()
        if now - self._at >= age:
            self._made = json.dumps(self._snapshot().as_json(), separators=(",", ":")).encode()
            self._at = now
        return self._made


# Private


class _Reader:
    """What one reader has not been sent yet: a hundred changes at most, and no snapshot but the newest."""

    def __init__(self) -> None:
        self._changes: deque[bytes] = deque(maxlen=_MOST_CHANGES)
        self._snapshot = b""
        self._news = asyncio.Event()
        self._is_over = False

    def change(self, told: bytes) -> None:
        self._changes.append(told)
        self._news.set()

    def snapshot(self, told: bytes) -> None:
        self._snapshot = told
        self._news.set()

    def end(self) -> None:
        """Nothing comes after it: a reader that hears nothing of an end knows that the connection was lost."""
        self._changes.append(_END)
        self._is_over = True
        self._news.set()

    async def relay(self, response: web.StreamResponse, patience: float) -> None:
        """Send it as it comes, until `end`. Raises TimeoutError where it is not read."""
        while not self._is_over or self._news.is_set():
            await self._news.wait()
            async with asyncio.timeout(patience):
                await response.write(self._taken())

    # Private

    def _taken(self) -> bytes:
        taken = b"".join((*self._changes, self._snapshot))
        self._changes.clear()
        self._snapshot = b""
        self._news.clear()
        return taken


def _event(name: str, told: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), told)
