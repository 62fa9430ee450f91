"""The table on a terminal, drawn over itself; it follows the terminal's size."""

from __future__ import annotations

import sys
import time

from rich.live import Live

from composectl.balance.snapshot import Snapshot
from composectl.screen.harmless import harmless_lines
from composectl.screen.table import render_table
from composectl.screen.terminal import console_on


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
        self._console.print(harmless_lines(text))

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
