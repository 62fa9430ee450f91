"""The table on this terminal: drawn over and over while something runs, or once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from composectl.balance.snapshot import Snapshot
from composectl.screen import keys
from composectl.screen.terminal import console_on, is_terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_EVERY = 0.25


def is_live() -> bool:
    """Whether stdout is a terminal on which a table can be drawn over and over."""
    return is_terminal(sys.stdout)


def print_table(snapshot: Snapshot) -> None:
    """The whole table on stdout, once; a pipe gets it without colour and with nothing cut."""
    console = console_on(sys.stdout)
    console.print(_table(snapshot, console.width, None))


class LiveTable:
    """The table on stdout, drawn anew every `every` seconds; it follows the terminal's size."""

    def __init__(self, every: float = _EVERY) -> None:
        self._every = every
        self._console = console_on(sys.stdout)
        self._size = self._console.size
        self._live = self._new_live()

    async def show(self, snapshot: Callable[[], Snapshot], until: asyncio.Event) -> None:
        """Draw until `until` is set, then leave the whole table on the screen and the cursor below it.

        Drawing is done in a thread: a snapshot is frozen, and the loop has requests to serve.
        """
        with keys.unseen():
            try:
                await self._follow(snapshot, until)
            except OSError:
                # The terminal has gone; what it showed goes on.
                await until.wait()
            finally:
                with contextlib.suppress(OSError):
                    self._live.stop()

    # Private

    async def _follow(self, snapshot: Callable[[], Snapshot], until: asyncio.Event) -> None:
        while not until.is_set():
            self._settle()
            await asyncio.to_thread(self._draw, snapshot())
            await _set_within(until, self._every)
        self._live.update(_table(snapshot(), self._console.width, None))

    def _draw(self, snapshot: Snapshot) -> None:
        self._live.update(_table(snapshot, *self._size), refresh=True)

    def _settle(self) -> None:
        """Begin, and begin anew on a clear screen where the size has changed: lines drawn before may have wrapped."""
        if self._size != self._console.size:
            self._live.stop()
            self._console.clear()
            self._size, self._live = self._console.size, self._new_live()
        self._live.start()

    def _new_live(self) -> Live:
        from rich.live import Live

        return Live(console=self._console, auto_refresh=False, vertical_overflow="crop")


# Private


def _table(snapshot: Snapshot, width: int, height: int | None) -> RenderableType:
    from composectl.screen.table import render_table

    return render_table(snapshot, now=time.time(), width=width, height=height)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
