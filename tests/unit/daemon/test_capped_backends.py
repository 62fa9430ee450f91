"""The daemon's side of a cap: the places of a worker that has ended come back, whatever it was about to do."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from composectl.daemon.board import Board
from composectl.daemon.capped_backends import BackendNumbers, CappedBackend, CappedBackends
from composectl.proxy.seats import Seats, make_memory

LIMIT = 5


class Daemon:
    """Over one backend; worker 1 has two places there, and ends."""

    def __init__(self) -> None:
        self.board = Board(make_memory(), services=1, workers=2)
        self.known = {7}
        self.backends = CappedBackends(LIMIT, BackendNumbers(), self.known.__contains__)
        self.backend = self.backends.of(7)
        for worker in (0, 1, 1):
            self.take(worker)

    def take(self, worker: int) -> None:
        os.eventfd_read(self.backend.descriptor)
        seats = self.seats(worker)
        seats.set(seats.own + 1)

    def seats(self, worker: int) -> Seats:
        return self.board.at_backend(self.backend.number, worker)

    def loses(self, changing: int = 0) -> None:
        self.backends.give_back(self.board, 1, changing)
        self.board.leave(1)

    def close(self) -> None:
        self.backends.close()
        os.close(self.board.descriptor)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    yield daemon
    daemon.close()


def left(backend: CappedBackend) -> int:
    """How many may be taken until there is none."""
    taken = 0
    while True:
        try:
            os.eventfd_read(backend.descriptor)
        except BlockingIOError:
            return taken
        taken += 1


def test_what_it_had_comes_back(daemon: Daemon) -> None:
    daemon.loses()
    assert left(daemon.backend) == LIMIT - 1
    assert daemon.seats(0).total == 1


def test_a_place_that_it_has_taken_and_not_noted_comes_back_too(daemon: Daemon) -> None:
    os.eventfd_read(daemon.backend.descriptor)
    daemon.loses(changing=daemon.backend.number + 1)
    assert left(daemon.backend) == LIMIT - 1


def test_a_place_that_it_was_about_to_take_does_not_come_back_twice(daemon: Daemon) -> None:
    daemon.loses(changing=daemon.backend.number + 1)
    assert left(daemon.backend) == LIMIT - 1


def test_a_place_that_it_has_noted_as_free_and_not_given_back_comes_back(daemon: Daemon) -> None:
    daemon.seats(1).set(1)
    daemon.loses(changing=daemon.backend.number + 1)
    assert left(daemon.backend) == LIMIT - 1


def test_a_backend_that_is_known_no_more_leaves_its_number_to_the_next(daemon: Daemon) -> None:
    daemon.known.add(8)
    other = daemon.backends.of(8)
    assert daemon.backends.of(7) is daemon.backend
    assert other.number != daemon.backend.number
    daemon.known.discard(7)
    assert daemon.backends.of(9).number == daemon.backend.number
    assert daemon.backends.of(8) is other
