"""The process that draws, so that the loop that serves requests does not: a snapshot in each line of stdin, as JSON.

A line that is a string is shown above the table. The process ends with stdin.
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
    if hasattr(os, "nice"):
        os.nice(_NICE)
    if sys.platform != "win32":
        # Its process group, which spares it Ctrl-C, is not in the foreground.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the terminal has gone
        _paint(Canvas())
        sys.stdout.flush()
    os._exit(0)  # on a busy machine, a tidy end of the interpreter takes seconds


class Canvas:
    """Draws on stdout from its first snapshot until `close`."""

    def __init__(self) -> None:
        self._console = console_on(sys.stdout)
        self._size = self._console.size
        self._live = self._new_live()
        self._newest: Snapshot | None = None

    def draw(self, snapshot: Snapshot) -> None:
        """Show this one now. Raises OSError where the terminal has gone."""
        self._newest = snapshot
        if self._size != self._console.size:  # lines drawn before may have wrapped
            self._live.stop()
            self._console.clear()
            self._size, self._live = self._console.size, self._new_live()
        self._live.start()
        width, height = self._size
        self._live.update(render_table(snapshot, now=time.time(), width=width, height=height), refresh=True)

    def print_above(self, text: str) -> None:
        self._console.print(sanitize_lines(text))

    def close(self) -> None:
        """Leave the whole of the last table on the screen, and the cursor below it."""
        if self._newest is not None:
            width = self._console.width
            self._live.update(render_table(self._newest, now=time.time(), width=width, height=None))
        self._live.stop()

    # Private

    def _new_live(self) -> Live:
        return Live(console=self._console, auto_refresh=False, vertical_overflow="crop")


# Private


def _paint(canvas: Canvas) -> None:
    try:
        for line in sys.stdin:
            payload = json.loads(line)
            if isinstance(payload, str):
                canvas.print_above(payload)
                continue
            canvas.draw(Snapshot.from_json(payload))
            if hasattr(os, "SCHED_IDLE"):  # after the first table, draw only while a core is idle: sched(7)
                with contextlib.suppress(OSError):
                    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    finally:
        canvas.close()
