"""Waiting until something is true, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(tell: Callable[[], T], *, within: float = 60.0) -> T:
    """The first true answer of `tell`; after `within` seconds its last one, whatever it is."""
    deadline = time.monotonic() + within
    while not (answer := tell()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


async def wait_until_async(true: Callable[[], object], *, within: float = 60.0) -> None:
    """Wait until `true()`; raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - whatever it looks at reports nothing
            await asyncio.sleep(0.001)
