"""Starts the process that draws, and talks to it: it is sent what to draw, and answers what keys ask for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from composectl.screen.actions import Actions, Keys
from composectl.screen.terminal import show_cursor

_LAST_DRAW_SECONDS = 5.0
_PAUSE_SECONDS = 1.0
_MOST_PENDING = 256 * 1024  # bytes, of logs among others
_ROOT = str(Path(__file__).parents[2])
# Not by `-m`, which would look for modules where the user happens to be.
_PAINTER = f"import sys; sys.path.append({_ROOT!r}); from composectl.screen.painter import main; main()"


class PainterProcess:
    """Draws while it is entered, and ends when it has drawn all; `keys`: what those do that it is told of."""

    def __init__(self, keys: Keys | None = None) -> None:
        self._keys = keys
        self._actions = Actions(keys, self.send) if keys else None
        self._taken: dict[str, Any] = {}  # what it was told last of the keys
        self._paused = asyncio.Event()
        self._answers: asyncio.Task[None] | None = None
        self._pipe: asyncio.WriteTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        answers = None
        if self._keys:
            reading, writing = os.pipe()
            answers, descriptor = os.fdopen(reading, "rb", 0), writing
            self._process = _start([str(descriptor)], [descriptor])
            os.close(descriptor)
        else:
            self._process = _start()
        self._pipe, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        if self._keys and answers:
            self._answers = asyncio.create_task(self._take_answers(answers))
            self.send({"does": "take_keys", **self._taken} if self._taken else {"does": "leave_keys"})
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._actions is not None:
            self._actions.close()
        if self._pipe is not None:
            self._pipe.close()
        await asyncio.to_thread(self._await_end)
        if self._answers is not None:
            self._answers.cancel()
            await asyncio.gather(self._answers, return_exceptions=True)

    @property
    def is_idle(self) -> bool:
        """Whether it has taken all that it was sent."""
        return self._pipe is not None and not self._pipe.get_write_buffer_size()

    def send_line(self, line: bytes) -> None:
        """Send JSON."""
        if self._pipe is not None and not self._pipe.is_closing():  # the painter ends with its terminal
            self._pipe.write(line + b"\n")

    def send(self, payload: str | Mapping[str, Any]) -> bool:
        """Send an object, or text for above the table; whether it was sent: not where very much is pending."""
        if self._pipe is not None and self._pipe.get_write_buffer_size() > _MOST_PENDING:
            return False
        self.send_line(json.dumps(payload).encode())
        return True

    def take_keys(self, settings: Sequence[int]) -> None:
        self._taken = {"ends": self._keys is not None and self._keys.ends, "settings": settings}
        self.send({"does": "take_keys", **self._taken})

    def leave_keys(self) -> None:
        self._taken = {}
        self.send({"does": "leave_keys"})

    def press(self, keys: Sequence[str]) -> None:
        self.send({"does": "press", "keys": keys})

    async def pause(self) -> None:
        """Have it leave the terminal alone until `resume`."""
        self._paused.clear()
        self.send({"does": "pause"})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE_SECONDS):
                await self._paused.wait()

    def resume(self) -> None:
        self.send({"does": "resume"})

    # Private

    async def _take_answers(self, pipe: IO[bytes]) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        try:
            async for line in reader:
                command = json.loads(line)
                if command["kind"] == "paused":
                    self._paused.set()
                elif self._actions is not None:
                    self._actions.run(**command)
        finally:
            transport.close()

    def _await_end(self) -> None:
        try:
            self._process.wait(_LAST_DRAW_SECONDS)
        except subprocess.TimeoutExpired:  # the terminal takes nothing, or no core is ever idle
            self._process.kill()
            self._process.wait()
            show_cursor(sys.stdout)


# Private


def _start(arguments: Sequence[str] = (), descriptors: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    # Its own process group: Ctrl-C must not end the table before the end.
    group = 0 if sys.platform != "win32" else None
    command = [sys.executable, "-P", "-c", _PAINTER, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, process_group=group, pass_fds=descriptors)
