"""The process that draws, so that the loop that serves requests does not: it is sent JSON, an object or text a line.

An object is a snapshot, or `does` what a method of the canvas is called; a text is shown above the table. What keys ask
for is written to the pipe whose descriptor is the argument. The process ends with stdin.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import RenderableType
from rich.live import Live

from composectl.balance.snapshot import Snapshot
from composectl.sanitize import sanitize_lines
from composectl.screen.pane import PrintedLine
from composectl.screen.table import render_table, render_view
from composectl.screen.terminal import console_on, restore_settings
from composectl.screen.view import Command, View, press, scaled, scrolled, told

_NICE = 10  # where both want one core, requests come before pictures
_KEPT_LINES = 1000  # of a log
_DOES = ("take_keys", "leave_keys", "press", "tell", "log", "pause", "resume")


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    if sys.platform != "win32":
        # Its process group, which spares it Ctrl-C, is not in the foreground.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the terminal has gone
        _paint(Canvas(int(sys.argv[1]) if sys.argv[1:] else None))
        sys.stdout.flush()
    os._exit(0)  # on a busy machine, a tidy end of the interpreter takes seconds


class Canvas:
    """Draws on stdout from its first snapshot until `close`; `answers`: the descriptor for what keys ask for.

    What draws raises OSError where the terminal has gone.
    """

    def __init__(self, answers: int | None = None) -> None:
        self._answers = answers
        self._console = console_on(sys.stdout)
        self._size = self._console.size
        self._live = self._new_live()
        self._newest: Snapshot | None = None
        self._view: View | None = None
        self._log: deque[PrintedLine] = deque(maxlen=_KEPT_LINES)
        self._is_paused = False
        self._settings: Sequence[int] = ()  # of the terminal, while there are keys

    def draw(self, snapshot: Snapshot) -> None:
        """Show this one now."""
        self._newest = snapshot
        self._redraw()

    def take_keys(self, ends: bool, settings: Sequence[int]) -> None:
        """From now on there are keys; `ends`: whether leaving the table ends composectl.

        `settings`: what the terminal gets back in the end, even where composectl is killed.
        """
        self._settings = settings
        self._view = replace(self._view or View(), ends=ends)
        self._redraw()

    def leave_keys(self) -> None:
        self._settings = ()
        self._redraw()

    def press(self, keys: Sequence[str]) -> None:
        """Do what these keys, which came together, ask for."""
        if self._view is None or self._newest is None or not self._settings:
            return
        before = self._view.panes
        self._view, commands = press(self._view, self._newest, keys, time.time())
        if self._view.panes != before:
            self._log.clear()
        self._view = scrolled(self._view, 0, len(self._log))
        for command in commands:
            self._answer(command)
        self._redraw()

    def tell(self, text: str, is_error: bool, scaled_service: str) -> None:
        """Show how a command gets on; `scaled_service`: the one that has been scaled as asked, or ""."""
        if self._view is not None:
            view = told(self._view, text, time.time(), is_error=is_error) if text else self._view
            self._view = scaled(view, scaled_service)
            self._redraw()

    def log(self, pane: int, lines: Sequence[Mapping[str, Any]]) -> None:
        """Add lines to the pane with this serial number, if it is still there."""
        view = self._view
        if view is not None and view.pane is not None and view.pane.serial == pane:
            self._log.extend(PrintedLine(**line) for line in lines)
            if view.pane.scroll:  # what is looked at stays where it is
                self._view = scrolled(view, len(lines), len(self._log))
            self._redraw()

    def pause(self) -> None:
        """Leave the terminal to another program until `resume`."""
        self._is_paused = True
        self._live.stop()
        self._answer(Command("paused"))

    def resume(self) -> None:
        self._is_paused = False
        self._live = self._new_live()
        self._redraw()

    def print_above(self, text: str) -> None:
        self._console.print(sanitize_lines(text))

    def close(self) -> None:
        """Leave the whole of the last table on the screen, the cursor below it, and the terminal as it was before.

        A composectl that was killed cannot do that last; one that was not does it again.
        """
        if self._newest is not None:
            width = self._console.width
            self._live.update(render_table(self._newest, now=time.time(), width=width, height=None))
        self._live.stop()
        if self._settings:
            restore_settings(sys.stdout.fileno(), self._settings)

    # Private

    def _redraw(self) -> None:
        if self._newest is None or self._is_paused:
            return
        if self._size != self._console.size:  # lines drawn before may have wrapped
            self._live.stop()
            self._console.clear()
            self._size, self._live = self._console.size, self._new_live()
        self._live.start()
        self._live.update(self._rendered(self._newest), refresh=True)

    def _rendered(self, snapshot: Snapshot) -> RenderableType:
        width, height = self._size
        if self._view is None or not self._settings:
            return render_table(snapshot, now=time.time(), width=width, height=height)
        return render_view(snapshot, self._view, [*self._log], now=time.time(), width=width, height=height)

    def _answer(self, command: Command) -> None:
        if self._answers is not None:
            os.write(self._answers, json.dumps(asdict(command)).encode() + b"\n")

    def _new_live(self) -> Live:
        return Live(console=self._console, auto_refresh=False, vertical_overflow="crop")


# Private


def _paint(canvas: Canvas) -> None:
    try:
        for line in sys.stdin:
            payload = json.loads(line)
            if isinstance(payload, str):
                canvas.print_above(payload)
            elif payload.get("does") in _DOES:
                getattr(canvas, payload.pop("does"))(**payload)
            else:
                canvas.draw(Snapshot.from_json(payload))
                if hasattr(os, "SCHED_IDLE"):  # after the first table, draw only while a core is idle: sched(7)
                    with contextlib.suppress(OSError):
                        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    finally:
        canvas.close()
