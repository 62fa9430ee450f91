"""What another composectl does, on this terminal for as long as both go on: the live table, or lines."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from composectl.balance.snapshot import ChangeView
from composectl.commands.status import Follower, Picture
from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on
from composectl.screen.console import change_line
from composectl.screen.live import LiveTable, is_live

_INTERRUPTED = 128 + signal.SIGINT
_LONGEST_SILENCE = 2.0


def watch(follower: Follower) -> int:
    """The live table, or a line for each change where there is no terminal, until a signal; then its exit code.

    Raises HasEnded or NothingRuns once nobody is there any more.
    """
    return asyncio.run(_draw(follower)) if is_live() else _print_each(follower, _NewChanges().lines)


def watch_as_json(follower: Follower) -> int:
    """One object a line, at once and when something has changed, but one every two seconds at least."""
    return _print_each(follower, _NewJson().lines)


# Private


Lines = Callable[[Picture], Iterator[str]]


async def _draw(follower: Follower) -> int:
    over = asyncio.Event()
    with Shutdown() as shutdown:
        table = asyncio.create_task(LiveTable().show(partial(_table, follower), over))
        try:
            await cancel_on(shutdown.requested, _follow(follower))
        except Interrupted:
            pass
        finally:
            follower.close()
            over.set()
            await table
        return shutdown.exit_code


def _table(follower: Follower, _: float) -> bytes:
    return json.dumps(follower.newest.table().as_json()).encode()


async def _follow(follower: Follower) -> None:
    while True:
        await asyncio.sleep(follower.pause)
        await asyncio.to_thread(follower.again)


def _print_each(follower: Follower, lines: Lines) -> int:
    try:
        while True:
            for line in lines(follower.newest):
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
            time.sleep(follower.pause)
            follower.again()
    except KeyboardInterrupt:
        return _INTERRUPTED


class _NewChanges:
    """The changes that were not there the last time, those that are kept at first."""

    def __init__(self) -> None:
        self._seen: set[ChangeView] = set()

    def lines(self, picture: Picture) -> Iterator[str]:
        changes = [change for service in picture.table().services for change in service.changes]
        new = sorted(set(changes) - self._seen, key=lambda change: change.at)
        self._seen = set(changes)
        return (change_line(change.name, change) for change in new)


class _NewJson:
    """What is to be seen, where it is something else than the last time, or that is long ago."""

    def __init__(self) -> None:
        self._last = ""
        self._at = 0.0

    def lines(self, picture: Picture) -> Iterator[str]:
        told, now = json.dumps(picture.as_json()), time.monotonic()
        if told != self._last or now - self._at >= _LONGEST_SILENCE:
            self._last, self._at = told, now
            yield told
