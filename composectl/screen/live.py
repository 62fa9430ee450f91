"""The table on this terminal: once, or live, drawn by a child process."""

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

_INTERVAL = 0.5
_AGE = 0.8  # of that time: a snapshot made for another reader will do
_CPU_SHARE = 0.01  # of the time, at most, for snapshots: the loop has requests to serve
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


async def show_table(snapshot: SnapshotSource, until: asyncio.Event, every: float = _INTERVAL) -> None:
    """Draw the table on stdout every `every` seconds until `until` is set, then leave all of it on the screen.

    `snapshot` returns JSON that is at most the given number of seconds old.
    """
    with no_echo():
        async with _painting() as pipe:
            with contextlib.redirect_stderr(_Above(pipe)):
                while not until.is_set():
                    began = time.perf_counter()
                    if not pipe.get_write_buffer_size():  # else the last one is still being drawn
                        _send_line(pipe, snapshot(every * _AGE))
                    took = time.perf_counter() - began
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(until.wait(), max(every, took / _CPU_SHARE))
                _send_line(pipe, snapshot(0.0))


# Private


class _Above(io.TextIOBase):
    """Text for stderr is shown above the table."""

    def __init__(self, pipe: asyncio.WriteTransport) -> None:
        self._pipe = pipe

    def write(self, text: str) -> int:
        if text.strip():
            _send_line(self._pipe, json.dumps(text.rstrip("\n")).encode())
        return len(text)


@contextlib.asynccontextmanager
async def _painting() -> AsyncIterator[asyncio.WriteTransport]:
    """A pipe to the process that draws; it ends when it has drawn all."""
    painter = _start_painter()
    pipe, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, painter.stdin)
    try:
        yield pipe
    finally:
        pipe.close()
        await asyncio.to_thread(_await_end, painter)


def _start_painter() -> subprocess.Popen[bytes]:
    # Its own process group: Ctrl-C must not end the table before the end.
    group = 0 if sys.platform != "win32" else None
    return subprocess.Popen([sys.executable, "-P", "-c", _PAINTER], stdin=subprocess.PIPE, process_group=group)


def _await_end(painter: subprocess.Popen[bytes]) -> None:
    try:
        painter.wait(_LAST_DRAW_SECONDS)
    except subprocess.TimeoutExpired:  # the terminal takes nothing
        painter.kill()
        painter.wait()


def _send_line(pipe: asyncio.WriteTransport, line: bytes) -> None:
    if not pipe.is_closing():  # the painter ends with its terminal
        pipe.write(line + b"\n")
