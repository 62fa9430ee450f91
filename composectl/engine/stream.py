"""The engine's events: read by one daemon thread, handed to the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread
from types import TracebackType

from composectl.engine.hint import Event


class Events:
    """Iterates over the events of one subscription: ends when the engine was quiet for long, raises when it breaks.

    `read` blocks, and is read to its end by the thread; `close` makes it end.
    """

    def __init__(self, read: Iterable[Event], close: Callable[[], None]) -> None:
        self.close = close
        self._arrived: asyncio.Queue[Event | None] = asyncio.Queue()
        self._broken: Exception | None = None
        self._loop = asyncio.get_running_loop()
        Thread(target=self._read, args=(read,), name="engine events", daemon=True).start()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        event = await self._arrived.get()
        if event is None:
            raise self._broken or StopAsyncIteration
        return event

    # Private

    def _read(self, read: Iterable[Event]) -> None:
        with suppress(RuntimeError):  # the loop has ended before the stream
            try:
                for event in read:
                    self._hand(event)
            except Exception as error:
                self._broken = error
            self._hand(None)

    def _hand(self, event: Event | None) -> None:
        self._loop.call_soon_threadsafe(self._arrived.put_nowait, event)
