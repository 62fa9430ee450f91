"""The table on this terminal: drawn over and over by a process of its own while something runs, or once."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from composectl.balance.snapshot import Snapshot
from composectl.screen.terminal import console_on, is_terminal, no_echo

_EVERY = 0.5
_AGE = 0.8  # of that time: a picture may be made of what others are told
_SHARE = 0.01  # of the time, at most, for pictures: the loop has requests to serve
_LAST_DRAW_SECONDS = 5.0
_ROOT = str(Path(__file__).parents[2])
# Not by `-m`, which would look for modules where the user happens to be.
_PAINTER = f"import sys; sys.path.append({_ROOT!r}); from composectl.screen.painter import main; main()"

SnapshotSource = Callable[[float], bytes]


def is_live() -> bool:
    """Whether stdout is a terminal on which a table can be drawn over and over."""
    return is_terminal(sys.stdout)


def print_table(snapshot: Snapshot) -> None:
    """The whole table on stdout, once; a pipe gets it without colour and with nothing cut."""
    from composectl.screen.table import render_table

    console = console_on(sys.stdout)
    console.print(render_table(snapshot, now=time.time(), width=console.width, height=None))


class LiveTable:
    """The table on stdout, drawn anew every `every` seconds."""

    def __init__(self, every: float = _EVERY) -> None:
        self._every = every

    async def show(self, snapshot: SnapshotSource, until: asyncio.Event) -> None:
        """Draw until `until` is set, then leave the whole table on the screen and the cursor below it.

        `snapshot` tells one as JSON, so many seconds old at most.
        """
        with no_echo():
            async with _painting() as pipe:
                with contextlib.redirect_stderr(_Above(pipe)):
                    await self._feed(pipe, snapshot, until)

    # Private

    async def _feed(self, pipe: asyncio.WriteTransport, snapshot: SnapshotSource, until: asyncio.Event) -> None:
        while not until.is_set():
            began = time.perf_counter()
            if not pipe.get_write_buffer_size():  # else it is still drawing what it got
                _pass_on(pipe, snapshot(self._every * _AGE))
            took = time.perf_counter() - began
            await _set_within(until, max(self._every, took / _SHARE))
        _pass_on(pipe, snapshot(0.0))


# Private


class _Above(io.TextIOBase):
    """Takes what is said while the table is drawn, and has it shown above."""

    def __init__(self, pipe: asyncio.WriteTransport) -> None:
        self._pipe = pipe

    def write(self, text: str) -> int:
        if text.strip():
            _pass_on(self._pipe, json.dumps(text.rstrip("\n")).encode())
        return len(text)


@contextlib.asynccontextmanager
async def _painting() -> AsyncIterator[asyncio.WriteTransport]:
    """A pipe to the process that draws; afterwards that has drawn all it got, and ended."""
    painter = _start_painter()
    pipe, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, painter.stdin)
    try:
        yield pipe
    finally:
        pipe.close()
        await asyncio.to_thread(_await_end, painter)


def _start_painter() -> subprocess.Popen[bytes]:
    # In a process group of its own, for Ctrl-C is not to end the table before the end.
    group = 0 if sys.platform != "win32" else None
    return subprocess.Popen([sys.executable, "-P", "-c", _PAINTER], stdin=subprocess.PIPE, process_group=group)


def _await_end(painter: subprocess.Popen[bytes]) -> None:
    try:
        painter.wait(_LAST_DRAW_SECONDS)
    except subprocess.TimeoutExpired:  # the terminal takes nothing
        painter.kill()
        painter.wait()


def _pass_on(pipe: asyncio.WriteTransport, what: bytes) -> None:
    """One line for the process that draws; a terminal that has gone may have taken it away."""
    if not pipe.is_closing():
        pipe.write(what + b"\n")


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
