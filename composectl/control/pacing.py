"""When to work: in slices, with pauses in which the proxy has the loop, and at even times."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

_MIN_PAUSE = 0.001  # seconds; the loop's timers are no finer
_LONG_TURN, _MAX_TURN = 0.005, 0.05
_T = TypeVar("_T")


async def in_slices(pieces: Iterator[_T], share: float) -> AsyncIterator[_T]:
    """Each of `pieces` as it is made; making them takes this share of the time, from 0 to 1, at most.

    One of them is made in a turn of the loop, but more where its turns are long, up to the same share of one of 50 ms.
    """
    due = time.monotonic() + _MIN_PAUSE
    while True:
        due = max(due, time.monotonic() - _MAX_TURN)
        early = due - time.monotonic()
        if early > -_LONG_TURN:
            await asyncio.sleep(early if early >= _MIN_PAUSE else 0)
        began = time.monotonic()
        try:
            piece = next(pieces)
        except StopIteration:
            return
        due += (time.monotonic() - began) / share
        yield piece


async def ticks(seconds: float) -> AsyncIterator[None]:
    """Times that are `seconds` apart, however long the work in between takes; missed ones are left out."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + seconds, loop.time())
        await asyncio.sleep(due - loop.time())
        yield


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` to its end."""
    try:
        if sys.platform == "win32":
            return asyncio.run(work)
        import uvloop

        return uvloop.run(work)
    finally:
        work.close()  # Python warns of work that Ctrl-C ended before it began
