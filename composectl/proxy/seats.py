"""Numbers that the processes of one composectl share: each sets its own, and sees those of the others (mmap(2))."""

from __future__ import annotations

import mmap
import os

_SIZE = 8  # bytes of a number


class SeatBoard:
    """A number for each of `workers` in each of `rows`, in memory that `descriptor` stands for.

    Only one process sets a number, so that no lock is needed: a limit may be exceeded by those who look at once.
    """

    def __init__(self, descriptor: int, rows: int, workers: int) -> None:
        self.descriptor = descriptor
        self._rows = rows
        self._workers = workers
        size = _SIZE * rows * workers
        os.ftruncate(descriptor, size)
        self._numbers = memoryview(mmap.mmap(descriptor, size)).cast("q")

    def seats(self, row: int, worker: int) -> Seats:
        first = row * self._workers
        return Seats(self._numbers[first : first + self._workers], worker)

    def leave(self, worker: int) -> None:
        """This worker has none any more."""
        for row in range(self._rows):
            if self._numbers[row * self._workers + worker]:
                self._numbers[row * self._workers + worker] = 0


class Seats:
    """The numbers of one row, as one worker sees them."""

    def __init__(self, numbers: memoryview, worker: int) -> None:
        self._numbers = numbers
        self._worker = worker

    def set(self, number: int) -> None:
        self._numbers[self._worker] = number

    @property
    def own(self) -> int:
        return int(self._numbers[self._worker])

    @property
    def total(self) -> int:
        return sum(self._numbers)

    @property
    def of_others(self) -> int:
        return sum(self._numbers) - int(self._numbers[self._worker])

    @property
    def first_of_others(self) -> int:
        """The lowest that is not 0; 0 where all are."""
        others = [number for worker, number in enumerate(self._numbers) if number and worker != self._worker]
        return min(others, default=0)


def make_memory() -> int:
    """A descriptor of memory for a board."""
    return os.memfd_create("composectl", os.MFD_CLOEXEC)
