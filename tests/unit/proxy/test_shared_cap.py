"""A cap that two workers share: here, two of them in one process over the same memory and the same semaphores."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import RoundRobin
from composectl.proxy.seats import SeatBoard, make_memory
from composectl.proxy.shared_cap import Places, SharedCap
from tests.support.policy_driver import acquire, backend

WAITING, CHANGING, FIRST = range(3)


class Cap:
    """As worker `number` has it; `room`: is set when there is room again."""

    def __init__(self, board: SeatBoard, number: int, limit: int, semaphores: list[int]) -> None:
        self.room = asyncio.Event()
        self.waiting = board.seats(WAITING, number)
        self.changing = board.seats(CHANGING, number)
        self.policy = SharedCap(RoundRobin(), limit, self.room.set, self.waiting, self.changing)
        self.backends = [self._backend(board, number, *each) for each in enumerate(semaphores)]

    def release(self, backend: Backend) -> None:
        backend.in_flight -= 1
        self.policy.give_back(backend)
        self.policy.release(backend)

    def close(self) -> None:
        for each in self.backends:
            self.policy.remove(each)
            self.policy.forget(each)

    def _backend(self, board: SeatBoard, worker: int, number: int, semaphore: int) -> Backend:
        made = backend(number)
        self.policy.know(made, Places(os.dup(semaphore), number + 1, board.seats(FIRST + number, worker)))
        self.policy.add(made)
        return made


class Two:
    """Two workers before `backends` with `limit` places each."""

    def __init__(self, backends: int, limit: int) -> None:
        self._memory = make_memory()
        self.board = SeatBoard(self._memory, FIRST + backends, 2)
        self._semaphores = [os.eventfd(limit, os.EFD_SEMAPHORE | os.EFD_NONBLOCK) for _ in range(backends)]
        self.here, self.there = (Cap(self.board, number, limit, self._semaphores) for number in range(2))

    def close(self) -> None:
        for cap in (self.here, self.there):
            cap.close()
        for descriptor in (self._memory, *self._semaphores):
            os.close(descriptor)


@pytest.fixture
async def two() -> Iterator[Two]:
    two = Two(backends=2, limit=2)
    yield two
    two.close()


async def test_both_together_get_as_many_as_one_may(two: Two) -> None:
    taken = [acquire(cap.policy) for cap in (two.here, two.there) for _ in range(2)]
    assert len(taken) == 4
    assert (two.here.policy.acquire(), two.there.policy.acquire()) == (None, None)
    assert not two.here.policy.has_room
    assert [two.board.seats(FIRST + number, 0).total for number in range(2)] == [2, 2]
    assert (two.here.changing.own, two.there.changing.own) == (0, 0)


async def test_a_place_that_is_freed_here_wakes_there(two: Two) -> None:
    taken = [acquire(two.here.policy) for _ in range(4)]
    assert two.there.policy.acquire() is None
    two.here.release(taken[0])
    async with asyncio.timeout(5):
        await two.there.room.wait()
    assert two.there.policy.has_room
    assert acquire(two.there.policy) is two.there.backends[taken[0].replica.number]
    assert two.here.policy.acquire() is None


async def test_a_place_is_left_to_what_has_waited_for_longer_there_but_for_a_moment_only(two: Two) -> None:
    two.there.waiting.set(time.monotonic_ns())
    assert two.here.policy.acquire() is None
    assert two.there.policy.has_room
    async with asyncio.timeout(5):
        await two.here.room.wait()
    assert acquire(two.here.policy)


async def test_what_has_waited_for_longer_here_leaves_no_place_to_others(two: Two) -> None:
    two.here.waiting.set(1)
    two.there.waiting.set(2)
    assert acquire(two.here.policy)
    assert two.there.policy.acquire() is None


async def test_one_that_is_chosen_by_something_else_takes_a_place_too(two: Two) -> None:
    (first, _), (same, _) = two.here.backends, two.there.backends
    assert all([two.here.policy.claim(first), two.there.policy.claim(same)])
    assert not two.here.policy.claim(first)
    assert two.here.policy.is_full(first)
    two.there.policy.give_back(same)
    async with asyncio.timeout(5):
        await two.here.room.wait()
    assert two.here.policy.claim(first)


async def test_a_request_that_waits_for_another_backend_has_left_its_place(two: Two) -> None:
    taken = [acquire(two.here.policy) for _ in range(4)]
    assert two.there.policy.acquire() is None
    two.here.policy.vacate(taken[0])
    async with asyncio.timeout(5):
        await two.there.room.wait()
    assert acquire(two.there.policy)


async def test_places_that_are_known_or_not_needed_are_closed(two: Two) -> None:
    for known in (two.here.backends[0], None):
        descriptor = os.eventfd(1)
        two.here.policy.know(known, Places(descriptor, 1, two.board.seats(FIRST, 0)))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
