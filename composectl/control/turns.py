"""Turns: what is asked for is done one after the other, with pauses in which the proxy has the loop."""

from __future__ import annotations

import asyncio
import time

_SHARE = 0.1  # of the time, at most
_COST = 0.0003  # seconds that reading and answering anything takes


class Turns:
    """First come, first served."""

    def __init__(self) -> None:
        self._line = asyncio.Lock()
        self._next = 0.0

    async def come(self) -> None:
        """Wait for one's turn."""
        async with self._line:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + _COST / _SHARE

    def took(self, seconds: float) -> None:
        """This turn has kept the loop so long."""
        self._next = max(self._next, time.monotonic()) + seconds / _SHARE
