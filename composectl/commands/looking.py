"""Looking at running composectls, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress

from composectl import errors
from composectl.balance.snapshot import Snapshot
from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running
from composectl.commands.pictures import All, One, Picture, only
from composectl.control.client import running
from composectl.control.folder import runtime_folder

Look = Callable[[], Picture]
"""Raises NothingRuns where there is nothing to be seen, HasEnded where it was there before."""

_PAUSE = 0.25
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


class Follower:
    """Has the newest picture; `again` is to be called after every `pause` of seconds."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.pause = _PAUSE
        self.again()

    def again(self) -> None:
        """Look. Raises what looking does."""
        began = time.perf_counter()
        self.newest = self._look()
        took = time.perf_counter() - began
        self.pause = min(max(_PAUSE, took / _SHARE), _LONGEST_PAUSE)
