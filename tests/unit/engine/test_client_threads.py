"""Blocking work on daemon threads."""

import asyncio
import threading
from contextlib import suppress

import pytest

from composectl.engine.client import in_thread


async def test_the_result_comes_back_from_another_thread() -> None:
    assert await in_thread(threading.current_thread) is not threading.current_thread()


async def test_what_it_raises_comes_back_too() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_many_that_block_do_not_hold_up_another() -> None:
    gate = threading.Event()
    blocked = [asyncio.create_task(in_thread(gate.wait)) for _ in range(50)]
    async with asyncio.timeout(60):
        assert await in_thread(lambda: "through") == "through"
    gate.set()
    assert all(await asyncio.gather(*blocked))


async def test_a_cancelled_caller_does_not_wait() -> None:
    gate, started, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(started.set)
        gate.wait()

    waiting = asyncio.create_task(in_thread(work))
    async with asyncio.timeout(60):
        await started.wait()
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    assert waiting.cancelled()
    gate.set()
