"""Waiting until something is true, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.05


def wait_until(tell: Callable[[], T], *, within: float = 60.0) -> T:
    """The first true answer of `tell`; after `within` seconds its last one, whatever it is."""
    deadline = time.monotonic() + within
    while not (answer := tell()) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return answer


def is_seen(tell: Callable[[], object], *, within: float) -> bool:
    """Whether it is true in so many seconds, counted by looks: where a look takes long, so may everything else."""
    return any(tell() or time.sleep(_PAUSE) for _ in range(round(within / _PAUSE)))


async def wait_until_still(tell: Callable[[], object], *, turns: int = 1000, within: float = 60.0) -> None:
    """Wait until the answer of `tell` has stayed the same for so many turns of the loop, on which all of it happens."""
    last, same = tell(), 0
    async with asyncio.timeout(within):
        while same < turns:
            await asyncio.sleep(0)
            now = tell()
            last, same = now, same + 1 if now == last else 0


async def wait_until_async(true: Callable[[], object], *, within: float = 60.0) -> None:
    """Wait until `true()`; raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - whatever it looks at reports nothing
            await asyncio.sleep(0.001)
