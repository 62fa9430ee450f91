"""Server-sent events: the snapshot after each change of it, and each phase change as it happens."""

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
from composectl.control.http_server import abort, refuse

_MIN_PAUSE = 0.5  # seconds between two snapshots
_MAX_PAUSE = 2.0
_MAX_AGE = 0.4  # of a snapshot: the live table takes one now and then, too
_CPU_SHARE = 0.01  # of the time, at most, for snapshots, up to the longest pause: the loop has requests to serve
_TIMEOUT = 10.0  # seconds for a reader to take what it is sent
_MAX_READERS = 32
_MAX_PENDING = 100
_END = b"event: end\ndata: {}\n\n"
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream:
    """Sends all readers the same, rendered once; a slow reader gets the newest snapshot, and may miss changes.

    `snapshot` returns JSON of at most the given age in seconds; `subscribe` is the change feed's; a reader has
    `timeout` seconds to take what it is sent. `answer` is a handler for any aiohttp application, which is to `close`
    at its end.
    """

    def __init__(
        self, snapshot: Callable[[float], bytes], subscribe: Callable[[Subscriber], None], timeout: float = _TIMEOUT
    ) -> None:
        self._snapshot = snapshot
        self._timeout = timeout
        self._readers: set[_Reader] = set()
        self._newest = b""
        self._sent_at = 0.0
        self._sender: asyncio.Task[None] | None = None
        self._closed = False
        subscribe(self._send_change)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send events until the client leaves, stops reading, or the stream is closed."""
        if len(self._readers) >= _MAX_READERS:
            raise refuse(web.HTTPServiceUnavailable, f"there are {_MAX_READERS} readers already")
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        reader = _Reader()
        self._readers.add(reader)
        if self._sender is None or self._sender.done():
            self._newest = b""
            self._sender = asyncio.create_task(self._send_snapshots())
        elif self._newest:
            reader.put_snapshot(self._newest)
        if self._closed:
            reader.end()
        try:
            await reader.relay(response, self._timeout)
        except TimeoutError:
            abort(request)
        finally:
            self._readers.discard(reader)
        return response

    async def close(self, _: web.Application | None = None) -> None:
        """Let every reader have what is pending, and no more."""
        self._closed = True
        for reader in self._readers:
            reader.end()
        if self._sender is not None:
            self._sender.cancel()

    # Private

    async def _send_snapshots(self) -> None:
        while self._readers and not self._closed:
            began = time.perf_counter()
            newest = _event("snapshot", self._snapshot(_MAX_AGE))
            if newest != self._newest or began - self._sent_at >= _MAX_PAUSE - _MIN_PAUSE:
                self._newest, self._sent_at = newest, began
                for reader in self._readers:
                    reader.put_snapshot(newest)
            took = time.perf_counter() - began
            await asyncio.sleep(min(_MAX_PAUSE, max(_MIN_PAUSE, took / _CPU_SHARE)))

    def _send_change(self, change: Transition) -> None:
        if self._readers:
            event = _event("change", json.dumps(change_as_json(change), separators=(",", ":")).encode())
            for reader in self._readers:
                reader.put_change(event)


class SnapshotCache:
    """Remembers the last snapshot: to make it is most of what it costs the loop to be watched.

    Without `output`, it holds nothing that containers print.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], *, output: bool = True) -> None:
        self._snapshot = snapshot
        self._output = output
        self._json = b""
        self._made_at = float("-inf")

    def json(self, max_age: float) -> bytes:
        """The JSON of a snapshot that is at most `max_age` seconds old, without a line end."""
        now = time.monotonic()
        if now - self._made_at >= max_age:
            self._json = json.dumps(self._snapshot().as_json(output=self._output), separators=(",", ":")).encode()
            self._made_at = now
        return self._json


# Private


class _Reader:
    """What one reader has not been sent yet: a hundred changes at most, and the newest snapshot alone."""

    def __init__(self) -> None:
        self._changes: deque[bytes] = deque(maxlen=_MAX_PENDING)
        self._snapshot = b""
        self._pending = asyncio.Event()
        self._ended = False

    def put_change(self, event: bytes) -> None:
        self._changes.append(event)
        self._pending.set()

    def put_snapshot(self, event: bytes) -> None:
        self._snapshot = event
        self._pending.set()

    def end(self) -> None:
        """Nothing follows this event; without it, a reader knows that the connection was lost."""
        self._changes.append(_END)
        self._ended = True
        self._pending.set()

    async def relay(self, response: web.StreamResponse, timeout: float) -> None:
        """Send what is pending, until `end`. Raises TimeoutError where it is not read."""
        while not self._ended or self._pending.is_set():
            await self._pending.wait()
            self._pending.clear()
            taken = b"".join((*self._changes, self._snapshot))
            self._changes.clear()
            self._snapshot = b""
            async with asyncio.timeout(timeout):
                await response.write(taken)


def _event(name: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
