"""Looking at running composectls, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Protocol

from composectl import errors
from composectl.balance.snapshot import Snapshot
from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running
from composectl.commands.pictures import All, One, Picture, only
from composectl.control.client import Client, running
from composectl.control.folder import runtime_folder

Look = Callable[[], Picture]
"""Raises NothingRuns where there is nothing to be seen, HasEnded where it was there before."""

_PAUSE = 0.5
_LONGEST_PAUSE = 2.0
_SHARE = 0.02  # of the time, at most, for answering us: whoever is looked at has requests to serve


def at_one(invocation: Invocation, services: Collection[str]) -> Look:
    """At these services, or at all, of the composectl that is meant. Raises ComposectlError."""
    client = find_running(invocation)
    return lambda: One(only(Snapshot.from_json(client.status()), services))


def at_all(invocation: Invocation) -> Look:
    """At every composectl of this user, those included that come later."""
    folder = runtime_folder(invocation.environ)

    def look() -> Picture:
        snapshots = []
        for client in running(folder):
            with suppress(errors.HasEnded):
                snapshots.append(Snapshot.from_json(client.status()))
        if not snapshots:
            raise errors.nobody_runs()
        return All(snapshots)

    return look


class Follower(Protocol):
    """Has the `newest` picture; `again` is to be called after every `pause` of seconds."""

    newest: Picture
    pause: float

    def again(self) -> None:
        """Have a newer one. Raises HasEnded or NothingRuns where there is none to come."""

    def close(self) -> None:
        """Have no more; whoever is in `again` leaves it with HasEnded."""


class Asking:
    """Looks again and again."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.again()

    def again(self) -> None:
        """Look."""
        began = time.perf_counter()
        self.newest = self._look()
        took = time.perf_counter() - began
        self.pause = min(max(_PAUSE, took / _SHARE), _LONGEST_PAUSE)

    def close(self) -> None:
        """There is nothing to be closed."""


class Listening:
    """Is told of these services, or of all, of one composectl, which costs that less than to be asked."""

    pause = 0.0  # it is for who tells

    def __init__(self, client: Client, services: Collection[str]) -> None:
        self._telling = client.telling()
        self._services = services
        self.again()

    def again(self) -> None:
        """Wait for what is told next."""
        self.newest: Picture = One(only(Snapshot.from_json(self._telling.next()), self._services))

    def close(self) -> None:
        """Hear no more."""
        self._telling.close()
