"""The last changes, and a way to wait until something is true."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from composectl.balance.backend import Change

_KEPT = 100
Listener = Callable[[Change], None]


class Journal:
    """Hears of every change; keeps the last hundred, passes each on, wakes whoever waits."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=_KEPT)
        self._readers: list[Listener] = []
        self._waiters: set[tuple[Callable[[], bool], asyncio.Future[None]]] = set()

    @property
    def changes(self) -> tuple[Change, ...]:
        """The last changes, newest last."""
        return tuple(self._changes)

    def tell(self, change: Change) -> None:
        """Write down a change."""
        self._changes.append(change)
        for reader in self._readers:
            reader(change)
        self.nudge()

    def read_by(self, reader: Listener) -> None:
        """Call `reader` with each change that is kept, and with each to come."""
        for change in self._changes:
            reader(change)
        self._readers.append(reader)

    def nudge(self) -> None:
        """Look again at what is waited for: something other than a phase may have changed."""
        for true, future in self._waiters:
            if not future.done() and true():
                future.set_result(None)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()`; it is looked at after every change."""
        if true():
            return
        waiter = (true, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        try:
            await waiter[1]
        finally:
            self._waiters.discard(waiter)
