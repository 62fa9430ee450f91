"""The connection limit of all workers, as one of them keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from composectl.proxy.limits import ConnectionLimit
from composectl.proxy.seats import Seats

_LOOK_AGAIN: Final = 0.02


class SharedConnectionLimit(ConnectionLimit):
    """At the limit, a worker without idle clients calls `on_full`, so that others end theirs.

    Each worker accepts one client at least before it sees that the limit is reached.
    """

    def __init__(self, limit: int, seats: Seats, on_full: Callable[[], None]) -> None:
        super().__init__(limit)
        self._seats = seats
        self._on_full = on_full
        self._looking: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        return self._seats.total >= self.limit

    def acquire(self) -> None:
        self.count += 1
        self._seats.set(self.count)
        if self.is_full:
            self._pause()
            self._look_later()

    def release(self) -> None:
        self.count -= 1
        self._seats.set(self.count)
        self._resume()

    # Private

    def _none_idle(self) -> None:
        self._on_full()

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look)

    def _look(self) -> None:
        """A client of another worker may have gone."""
        self._looking = None
        self._resume()
        if self._paused:
            self._look_later()
