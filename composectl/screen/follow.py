"""Follows another composectl on this terminal: the live table, or lines, until one of the two ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from heapq import merge
from operator import attrgetter
from typing import Any, Protocol

from composectl.balance.snapshot import ChangeView, Snapshot
from composectl.sanitize import sanitize
from composectl.screen.actions import Controls, Keys
from composectl.screen.console import change_line
from composectl.screen.live import is_live, show_table
from composectl.screen.waiting import waiting_lines

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LONGEST_SILENCE = 2.0


class Status(Protocol):
    """What running composectls know at a moment: the JSON of `status --json`, and what the table shows."""

    @property
    def json(self) -> Mapping[str, Any]: ...

    @property
    def table(self) -> Snapshot: ...


class Watcher(Protocol):
    """Has the `newest` status; `again` is to be called after every `pause` of seconds."""

    pause: float

    @property
    def newest(self) -> Status: ...

    def again(self) -> None:
        """Fetch a newer one. Raises HasEnded or NothingRuns where none will come."""

    def close(self) -> None:
        """End a call of `again` with HasEnded."""


def watch(watcher: Watcher, controls: Controls | None = None) -> int:
    """The live table, or without a terminal the present state and a line for each change; the exit code of a signal.

    `controls`: what keys ask; `q` does what Ctrl-C does. Raises HasEnded or NothingRuns once nothing is left to watch.
    """
    return asyncio.run(_draw(watcher, controls)) if is_live() else _print_each(_new_changes(_statuses(watcher)))


def watch_as_json(watcher: Watcher) -> int:
    """One object a line: the first, each that differs, and at least one every two seconds."""
    return _print_each(_new_json(_statuses(watcher)))


# Private


async def _draw(watcher: Watcher, controls: Controls | None) -> int:
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    following, caught = asyncio.create_task(_follow(watcher)), list[int]()

    def stop(number: int) -> None:
        caught.append(number)
        following.cancel()

    keys = Keys(controls, partial(stop, signal.SIGINT), ends=False) if controls else None
    table = asyncio.create_task(
        show_table(lambda _: json.dumps(watcher.newest.table.as_json()).encode(), over, keys=keys)
    )

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


async def _follow(watcher: Watcher) -> None:
    while True:
        await asyncio.sleep(watcher.pause)
        await asyncio.to_thread(watcher.again)


def _statuses(watcher: Watcher) -> Iterator[Status]:
    while True:
        yield watcher.newest
        time.sleep(watcher.pause)
        watcher.again()


def _print_each(lines: Iterable[str]) -> int:
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    return 128 + signal.SIGINT


def _new_changes(statuses: Iterable[Status]) -> Iterator[str]:
    seen: set[ChangeView] | None = None
    for status in statuses:
        services = status.table.services
        # Not sorted: the changes of a service are in order already, whatever the clock has said.
        changes = list(merge(*(service.all_changes for service in services), key=attrgetter("at")))
        if seen is None:
            for service in services:
                ready = sum(backend.phase == "ready" for backend in service.backends)
                yield sanitize(f"{service.service}: {ready} of {service.desired} ready")
                yield from waiting_lines(service.waiting, output=0)
            yield from waiting_lines(status.table.others, output=0)
        else:
            yield from (change_line(change) for change in changes if change not in seen)
        seen = set(changes)


def _new_json(statuses: Iterable[Status]) -> Iterator[str]:
    last, printed_at = "", 0.0
    for status in statuses:
        line, now = json.dumps(status.json), time.monotonic()
        if line != last or now - printed_at >= _LONGEST_SILENCE:
            last, printed_at = line, now
            yield line
