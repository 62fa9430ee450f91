"""What another composectl does, on this terminal for as long as both go on: the live table, or lines."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from composectl.balance.snapshot import ChangeView, Snapshot
from composectl.screen.console import change_line
from composectl.screen.live import LiveTable, is_live

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_SILENCE = 2.0


class Status(Protocol):
    """What running composectls know at a moment."""

    @property
    def json(self) -> Mapping[str, Any]:
        """The JSON of `status --json`."""

    @property
    def table(self) -> Snapshot:
        """What the table shows."""


class Watcher(Protocol):
    """Has the `newest` status; `again` is to be called after every `pause` of seconds."""

    pause: float

    @property
    def newest(self) -> Status:
        """The last one that came."""

    def again(self) -> None:
        """Have a newer one. Raises HasEnded or NothingRuns where there is none to come."""

    def close(self) -> None:
        """Have no more; a call of `again` ends with HasEnded."""


def watch(watcher: Watcher) -> int:
    """The live table, or a line for each change where there is no terminal, until a signal; then its exit code.

    Raises HasEnded or NothingRuns once nobody is there any more.
    """
    return asyncio.run(_draw(watcher)) if is_live() else _print_each(watcher, _NewChanges().lines)


def watch_as_json(watcher: Watcher) -> int:
    """One object a line, at once and when something has changed, but one every two seconds at least."""
    return _print_each(watcher, _NewJson().lines)


# Private


Lines = Callable[[Status], Iterator[str]]


async def _draw(watcher: Watcher) -> int:
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    table = asyncio.create_task(LiveTable().show(partial(_table, watcher), over))
    following, caught = asyncio.create_task(_follow(watcher)), list[int]()

    def stop(number: int) -> None:
        caught.append(number)
        following.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await following
    except asyncio.CancelledError:
        if not caught:
            raise
    finally:
        watcher.close()
        over.set()
        await table
    return 128 + caught[0]


def _table(watcher: Watcher, _: float) -> bytes:
    return json.dumps(watcher.newest.table.as_json()).encode()


async def _follow(watcher: Watcher) -> None:
    while True:
        await asyncio.sleep(watcher.pause)
        await asyncio.to_thread(watcher.again)


def _print_each(watcher: Watcher, lines: Lines) -> int:
    try:
        while True:
            for line in lines(watcher.newest):
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
            time.sleep(watcher.pause)
            watcher.again()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


class _NewChanges:
    """The changes that were not there the last time, those that are kept at first."""

    def __init__(self) -> None:
        self._seen: set[ChangeView] = set()

    def lines(self, status: Status) -> Iterator[str]:
        changes = [change for service in status.table.services for change in service.changes]
        new = sorted(set(changes) - self._seen, key=lambda change: change.at)
        self._seen = set(changes)
        return (change_line(change.name, change) for change in new)


class _NewJson:
    """What is to be seen, where it is something else than the last time, or that is long ago."""

    def __init__(self) -> None:
        self._last = ""
        self._at = 0.0

    def lines(self, status: Status) -> Iterator[str]:
        told, now = json.dumps(status.json), time.monotonic()
        if told != self._last or now - self._at >= _LONGEST_SILENCE:
            self._last, self._at = told, now
            yield told
