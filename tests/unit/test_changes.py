"""The last changes, and waiting until something is true."""

import asyncio

import pytest

from composectl.balance.backend import Transition
from composectl.balance.phase import Phase
from composectl.changes import ChangeFeed


def change(number: int) -> Transition:
    return Transition(0.0, "echo", number, f"echo-{number}", Phase.STARTING, Phase.READY, "healthy")


def test_the_last_hundred_are_kept() -> None:
    journal = ChangeFeed()
    for number in range(150):
        journal.publish(change(number))
    assert [change.number for change in journal.changes] == list(range(50, 150))


def test_a_reader_hears_what_was_and_what_comes() -> None:
    journal, heard = ChangeFeed(), list[int]()
    journal.publish(change(1))
    journal.subscribe(lambda change: heard.append(change.number))
    journal.publish(change(2))
    assert heard == [1, 2]


async def test_a_waiter_wakes_at_the_change_that_makes_it_true() -> None:
    journal = ChangeFeed()
    waiting = asyncio.create_task(journal.wait_until(lambda: len(journal.changes) == 2))
    await asyncio.sleep(0)
    journal.publish(change(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    journal.publish(change(2))
    await asyncio.wait_for(waiting, 60)


async def test_what_is_true_already_is_not_waited_for() -> None:
    await asyncio.wait_for(ChangeFeed().wait_until(lambda: True), 60)


async def test_a_nudge_makes_it_look_again() -> None:
    journal, true = ChangeFeed(), list[bool]()
    waiting = asyncio.create_task(journal.wait_until(lambda: bool(true)))
    await asyncio.sleep(0)
    true.append(True)
    journal.wake()
    await asyncio.wait_for(waiting, 60)


async def test_a_waiter_that_gives_up_is_forgotten() -> None:
    journal = ChangeFeed()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(journal.wait_until(lambda: False), 0)
    journal.wake()
