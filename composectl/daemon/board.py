"""What the numbers are that the workers of a daemon share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from composectl.proxy.seats import SeatBoard, Seats

BACKENDS: Final = 16_384  # rows for what is in flight at one of them; memory that is not used takes none
_OF_A_SERVICE: Final = 3


@dataclass(frozen=True, slots=True)
class ServiceSeats:
    """Of a service: how many wait; see `SharedCap` for the others."""

    queued: Seats
    waiting: Seats
    changing: Seats


class Board:
    """`services`: how many there are. See `SeatBoard`."""

    def __init__(self, descriptor: int, services: int, workers: int) -> None:
        self._seats = SeatBoard(descriptor, BACKENDS + 1 + _OF_A_SERVICE * services, workers)
        self.descriptor = descriptor

    def at_backend(self, number: int, worker: int) -> Seats:
        """What is in flight at the capped backend of this number."""
        return self._seats.seats(number, worker)

    def clients(self, worker: int) -> Seats:
        """How many are connected."""
        return self._seats.seats(BACKENDS, worker)

    def of_service(self, place: int, worker: int) -> ServiceSeats:
        """Of the service that is in this place among all, from 0."""
        first = BACKENDS + 1 + _OF_A_SERVICE * place
        return ServiceSeats(*(self._seats.seats(row, worker) for row in range(first, first + _OF_A_SERVICE)))

    def leave(self, worker: int) -> None:
        """This worker has ended."""
        self._seats.leave(worker)
