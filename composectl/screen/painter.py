"""The process that draws, so that the loop that serves requests does not: a snapshot in each line of stdin, as JSON.

A line that is a string is shown above the table. The end of stdin, by whatever death of the other side, is the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from rich.live import Live

from composectl.balance.snapshot import Snapshot
from composectl.sanitize import sanitize_lines
from composectl.screen.table import render_table
from composectl.screen.terminal import console_on

_NICE = 10  # where both want one core, requests come before pictures


def main() -> None:
    """Draw what comes until nothing more does."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    if sys.platform != "win32":
        # It is no job of its own for the shell, though it has a process group, so that Ctrl-C is not for it.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the terminal has gone
        _paint(Canvas())
        sys.stdout.flush()
    os._exit(0)  # to take the interpreter apart would, on a machine that is at its limit, take seconds


class Canvas:
    """Draws on stdout from its first snapshot until it is left."""

    def __init__(self) -> None:
        self._console = console_on(sys.stdout)
        self._size = self._console.size
        self._live = self._new_live()
        self._newest: Snapshot | None = None

    def draw(self, snapshot: Snapshot) -> None:
        """Show this one now. Raises OSError where the terminal has gone."""
        self._newest = snapshot
        self._settle()
        width, height = self._size
        self._live.update(render_table(snapshot, now=time.time(), width=width, height=height), refresh=True)

    def say(self, text: str) -> None:
        """Write a line above the table."""
        self._console.print(sanitize_lines(text))

    def leave(self) -> None:
        """Leave the whole of the last table on the screen, and the cursor below it."""
        if self._newest is not None:
            width = self._console.width
            self._live.update(render_table(self._newest, now=time.time(), width=width, height=None))
        self._live.stop()

    # Private

    def _settle(self) -> None:
        """Begin, and begin anew on a clear screen where the size has changed: lines drawn before may have wrapped."""
        if self._size != self._console.size:
            self._live.stop()
            self._console.clear()
            self._size, self._live = self._console.size, self._new_live()
        self._live.start()

    def _new_live(self) -> Live:
        return Live(console=self._console, auto_refresh=False, vertical_overflow="crop")


# Private


def _paint(canvas: Canvas) -> None:
    try:
        for line in sys.stdin:
            given = json.loads(line)
            if isinstance(given, str):
                canvas.say(given)
            else:
                canvas.draw(Snapshot.from_json(given))
                _step_back()
    finally:
        canvas.leave()


def _step_back() -> None:
    """Once there is a picture, the next ones are drawn when a core has nothing else to do (sched(7), SCHED_IDLE)."""
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
