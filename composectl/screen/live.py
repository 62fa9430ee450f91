"""The table on this terminal: once, or live, drawn by a child process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import time
from collections.abc import Callable

from composectl.balance.snapshot import Snapshot
from composectl.screen.actions import Keys
from composectl.screen.keys import Keyboard, has_keys
from composectl.screen.painter_process import PainterProcess
from composectl.screen.terminal import console_on, is_terminal, no_echo

_INTERVAL = 0.5
_AGE = 0.8  # of that time: a snapshot made for another reader will do
_CPU_SHARE = 0.01  # of the time, at most, for snapshots: the loop has requests to serve

SnapshotSource = Callable[[float], bytes]


def is_live() -> bool:
    """Whether stdout is a terminal on which a table can be drawn over and over."""
    return is_terminal(sys.stdout)


def print_table(snapshot: Snapshot) -> None:
    """The whole table on stdout, once; a pipe gets it without colour and with nothing cut."""
    from composectl.screen.table import render_table

    console = console_on(sys.stdout)
    console.print(render_table(snapshot, now=time.time(), width=console.width, height=None))


async def show_table(
    snapshot: SnapshotSource, until: asyncio.Event, every: float = _INTERVAL, keys: Keys | None = None
) -> None:
    """Draw the table on stdout every `every` seconds until `until` is set, then leave all of it on the screen.

    `snapshot` returns JSON that is at most the given number of seconds old. `keys`: what those of stdin do, where that
    is a terminal.
    """
    keys = keys if has_keys() else None
    painter = PainterProcess(keys)
    keyboard = Keyboard(painter) if keys else None
    with keyboard.reading() if keyboard else no_echo():
        async with painter:
            with contextlib.redirect_stderr(_Above(painter)):
                while not until.is_set():
                    began = time.perf_counter()
                    if keyboard is not None:
                        keyboard.check()
                    if painter.is_idle:  # else the last one is still being drawn
                        painter.send_line(snapshot(every * _AGE))
                    took = time.perf_counter() - began
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(until.wait(), max(every, took / _CPU_SHARE))
                painter.send_line(snapshot(0.0))


# Private


class _Above(io.TextIOBase):
    """Text for stderr is shown above the table."""

    def __init__(self, painter: PainterProcess) -> None:
        self._painter = painter

    def write(self, text: str) -> int:
        if text.strip():
            self._painter.send_line(json.dumps(text.rstrip("\n")).encode())
        return len(text)
