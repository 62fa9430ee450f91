"""Ctrl-C: the first asks, the second forces."""

import asyncio
import os
import signal

import pytest

from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on


async def test_f10_the_first_signal_asks_and_the_second_forces() -> None:
    with Shutdown() as shutdown:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(shutdown.requested.wait(), 60)
        assert not shutdown.forced.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(shutdown.forced.wait(), 60)
    assert shutdown.exit_code == 130


async def test_f11_the_exit_code_is_that_of_the_first_signal() -> None:
    with Shutdown() as shutdown:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(shutdown.requested.wait(), 60)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(shutdown.forced.wait(), 60)
    assert shutdown.exit_code == 143


async def test_being_asked_otherwise_is_no_failure() -> None:
    with Shutdown() as shutdown:
        shutdown.request()
    assert shutdown.requested.is_set()
    assert shutdown.exit_code == 0


async def test_work_that_ends_gives_its_result() -> None:
    assert await cancel_on(asyncio.Event(), asyncio.sleep(0, "done")) == "done"


async def test_work_is_cancelled_before_interrupted_is_raised() -> None:
    event, cleaned = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        event.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    with pytest.raises(Interrupted):
        await cancel_on(event, work())
    assert cleaned.is_set()


async def test_the_works_own_failure_comes_through() -> None:
    async def work() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await cancel_on(asyncio.Event(), work())
