"""Work leaves the loop to others, and times stay even."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from inspect import CORO_CLOSED, getcoroutinestate
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from composectl.control import pacing
from composectl.control.pacing import in_slices, run, ticks

PIECE = 0.002
FINEST = 0.001

_T = TypeVar("_T")


class Clock(selectors.DefaultSelector):
    """The time of a loop that waits for nothing: what it would have waited has passed at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """On a loop of this time, which begins with 0."""
        loop = asyncio.SelectorEventLoop(self)
        loop.time = lambda: self.now  # type: ignore[method-assign]
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(work)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def working(clock: Clock, pieces: int) -> Iterator[int]:
    for number in range(pieces):
        clock.now += PIECE
        yield number


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_making_the_pieces_takes_its_share_of_the_time(clock: Clock, share: float) -> None:
    async def make() -> list[int]:
        return [piece async for piece in in_slices(working(clock, 10), share)]

    assert clock.run(make()) == list(range(10))
    assert clock.now == pytest.approx(10 * PIECE / share, abs=2 * FINEST)


def turns_before_each(clock: Clock, pieces: Iterator[int], share: float, turn: Callable[[], object]) -> list[int]:
    """How many turns of the loop other work had before each of the pieces; each turn runs `turn`."""
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

    return clock.run(make())


def test_others_have_the_loop_between_any_two_pieces(clock: Clock) -> None:
    def turn() -> None:
        clock.now += FINEST / 10

    assert len(set(turns_before_each(clock, working(clock, 5), 0.9, turn))) == 5


def test_a_loop_whose_turns_are_long_has_fewer_of_them(clock: Clock) -> None:
    def pieces() -> Iterator[int]:
        for number in range(1000):
            clock.now += FINEST / 100
            yield number

    before = turns_before_each(clock, pieces(), 0.5, lambda: list(working(clock, 2)))
    assert len(before) == 1000
    assert before[-1] < 100


def test_times_are_even_whatever_is_done_then(clock: Clock) -> None:
    async def work() -> list[float]:
        moments = []
        async for _ in ticks(5):
            moments.append(clock.now)
            if len(moments) == 6:
                break
            await asyncio.sleep(4)
        return moments

    assert clock.run(work()) == pytest.approx([5, 10, 15, 20, 25, 30])


def test_times_that_were_slept_through_are_left_out(clock: Clock) -> None:
    async def times() -> list[float]:
        moments = []
        async for _ in ticks(5):
            moments.append(clock.now)
            if len(moments) == 1:
                await asyncio.sleep(32)
            if len(moments) == 4:
                break
        return moments

    assert clock.run(times()) == pytest.approx([5, 37, 42, 47])


def test_work_that_was_interrupted_before_it_began_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("uvloop.run", interrupted)
    work = asyncio.sleep(0)
    with pytest.raises(KeyboardInterrupt):
        run(work)
    assert getcoroutinestate(work) == CORO_CLOSED
