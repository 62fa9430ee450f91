"""The process that draws, so that the loop that serves requests does not: a snapshot in each line of stdin, as JSON.

A line that is a string is shown above the table. The end of stdin, by whatever death of the other side, is the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

from composectl.balance.snapshot import Snapshot
from composectl.screen.canvas import Canvas

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
