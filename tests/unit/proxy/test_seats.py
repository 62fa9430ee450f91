"""Numbers that processes share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from composectl.proxy.seats import SeatBoard, make_memory


@pytest.fixture
def boards() -> Iterator[tuple[SeatBoard, SeatBoard]]:
    """Two views of the same memory, as two processes have them."""
    memory = make_memory()
    yield SeatBoard(memory, rows=2, workers=3), SeatBoard(memory, rows=2, workers=3)
    os.close(memory)


def test_each_sees_the_sum_and_what_the_others_have(boards: tuple[SeatBoard, SeatBoard]) -> None:
    here, there = boards
    here.seats(0, 0).set(3)
    there.seats(0, 2).set(4)
    assert (here.seats(0, 0).total, here.seats(0, 0).of_others, there.seats(0, 1).of_others) == (7, 4, 7)


def test_the_first_of_the_others_is_their_lowest_that_is_not_0(boards: tuple[SeatBoard, SeatBoard]) -> None:
    here, there = boards
    assert here.seats(0, 0).first_of_others == 0
    for worker, number in enumerate((3, 7, 5)):
        here.seats(0, worker).set(number)
    assert (there.seats(0, 0).first_of_others, there.seats(0, 1).first_of_others) == (5, 3)
    assert there.seats(0, 1).own == 7


def test_rows_are_apart(boards: tuple[SeatBoard, SeatBoard]) -> None:
    here, there = boards
    here.seats(0, 0).set(3)
    assert there.seats(1, 0).total == 0


def test_a_worker_that_has_ended_has_none(boards: tuple[SeatBoard, SeatBoard]) -> None:
    here, there = boards
    for row in range(2):
        for worker in range(3):
            here.seats(row, worker).set(1)
    there.leave(1)
    assert [here.seats(row, 0).total for row in range(2)] == [2, 2]
