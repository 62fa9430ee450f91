"""Turns: what is asked for is done one after the other, with pauses in which the proxy has the loop."""

from __future__ import annotations

import asyncio
import time

_SHARE = 0.2  # of the time, at most
_COST = 0.0003  # seconds that reading and answering anything takes


class Turns:
    """First come, first served; each turn is known to take `cost` seconds of CPU, at least."""

    def __init__(self, cost: float = _COST) -> None:
        self._cost = cost
        self._line = asyncio.Lock()
        self._next = 0.0

    async def come(self) -> None:
        """Wait for one's turn."""
        async with self._line:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._cost / _SHARE

    def took(self, seconds: float) -> None:
        """This turn has taken so many seconds of CPU."""
        self._next = max(self._next, time.monotonic()) + seconds / _SHARE
