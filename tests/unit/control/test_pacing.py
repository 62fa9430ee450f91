"""Work leaves the loop to others, and times stay even."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from composectl.control.pacing import in_slices, ticks

PIECE = 0.002
FINEST = 0.001


def working(pieces: int) -> Iterator[int]:
    for number in range(pieces):
        until = time.perf_counter() + PIECE
        while time.perf_counter() < until:
            pass
        yield number


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_making_the_pieces_takes_its_share_of_the_time_and_no_more(share: float) -> None:
    async def make() -> list[int]:
        return [piece async for piece in in_slices(working(10), share)]

    began = time.perf_counter()
    assert asyncio.run(make()) == list(range(10))
    assert time.perf_counter() - began >= 9 * PIECE / share - FINEST


def turns_before_each(pieces: Iterator[int], share: float, turn: Callable[[], object]) -> list[int]:
    """How many turns others, who do `turn` in each, had of the loop before each of the pieces."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            turn()
            await asyncio.sleep(0)

    async def make() -> list[int]:
        others = asyncio.create_task(take_turns())
        before = [turns async for _ in in_slices(pieces, share)]
        others.cancel()
        return before

    return asyncio.run(make())


def test_others_have_the_loop_between_any_two_pieces() -> None:
    assert len(set(turns_before_each(working(5), 0.9, lambda: None))) == 5


def test_a_loop_whose_turns_are_long_has_fewer_of_them() -> None:
    before = turns_before_each(iter(range(1000)), 0.5, lambda: list(working(2)))
    assert len(before) == 1000
    assert before[-1] < 100


def test_times_are_even_whatever_is_done_then() -> None:
    async def work(seconds: float, times: int) -> float:
        began = time.perf_counter()
        async for _ in ticks(0.05):
            times -= 1
            if not times:
                break
            await asyncio.sleep(seconds)
        return time.perf_counter() - began

    assert 0.3 <= asyncio.run(work(0.04, 6)) < 0.45


def test_times_that_were_slept_through_are_left_out() -> None:
    async def times() -> list[float]:
        told = []
        async for _ in ticks(0.05):
            told.append(time.perf_counter())
            if len(told) == 1:
                await asyncio.sleep(0.3)
            if len(told) == 4:
                break
        return told

    first, *later = asyncio.run(times())
    assert later[0] - first >= 0.3
    assert [later[1] - later[0], later[2] - later[1]] == pytest.approx([0.05, 0.05], abs=0.04)
