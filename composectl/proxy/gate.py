"""The gate: how many clients may be connected at once; at the limit nobody is accepted until one leaves."""

from __future__ import annotations

import sys
from typing import Protocol

from composectl import errors
from composectl.proxy.connections import KEPT_PART
from composectl.proxy.descriptors import raise_open_files

# For listeners, sockets of ours, pipes of Compose, and whoever comes in a rush
_RESERVED = 128
_PER_EXCHANGE = 2


class Door(Protocol):
    """A listening socket."""

    def shut(self) -> None:
        """Accept nobody: the kernel lets them wait."""

    def reopen(self) -> None:
        """Accept again."""


class Gate:
    """Counts the clients of all its doors; a `limit` of 0 lets nobody in but those in the first rush."""

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit = limit
        self._inside = 0
        self._shut = False
        self._doors: set[Door] = set()

    @property
    def inside(self) -> int:
        """The clients that are connected now."""
        return self._inside

    def add(self, door: Door) -> None:
        """Watch over one more door."""
        self._doors.add(door)
        if self._shut:
            door.shut()

    def remove(self, door: Door) -> None:
        """A door has been closed for good."""
        self._doors.discard(door)

    def entered(self) -> None:
        """A client has come."""
        self._inside += 1
        if self._inside >= self.limit and not self._shut:
            self._shut = True
            for door in self._doors:
                door.shut()

    def left(self) -> None:
        """A client has gone."""
        self._inside -= 1
        if self._shut and self._inside < self.limit:
            self._shut = False
            for door in self._doors:
                door.reopen()


def make_gate(limit: int | None = None) -> Gate:
    """A gate for this process, whose limit of open files is raised as far as it may go.

    Without a `limit`, as many as can all be answered at once. Raises ComposectlError where the open files do not allow
    the `limit`, with a file for each client.
    """
    files = raise_open_files()
    most = max(_PER_EXCHANGE, files - files // KEPT_PART - _RESERVED)
    if limit is not None and limit > most:
        raise errors.too_many_connections(limit, most)
    return Gate(most // _PER_EXCHANGE if limit is None else limit)
