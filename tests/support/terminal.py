"""A program on a real pseudo-terminal, with someone at the keys who watches the screen."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.screen import Screen

CTRL_C = "\x03"


class Terminal:
    """Runs `command` in `rows` x `columns`; `written` is all that it wrote, `screen` what is to be seen."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], rows: int = 40, columns: int = 140
    ) -> None:
        self.screen = Screen(rows, columns)
        self.written = ""
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._keys, terminal = os.openpty()
        termios.tcsetwinsize(terminal, (rows, columns))
        self._program = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "TERM": "xterm-256color"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(terminal)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        self._program.kill()
        self._program.wait()
        os.close(self._keys)

    def type(self, keys: str) -> None:
        os.write(self._keys, keys.encode())

    def shows(self, expected: Callable[[str], bool], within: float = 60.0) -> bool:
        """Whether the screen comes to look as expected."""
        deadline = time.monotonic() + within
        while not expected(self.screen.text):
            if not self._read(deadline):
                return False
        return True

    def end(self, within: float = 60.0) -> int:
        """Wait for the program to end; its exit code."""
        deadline = time.monotonic() + within
        while self._read(deadline):
            pass
        return self._program.wait(max(0.1, deadline - time.monotonic()))

    # Private

    def _read(self, deadline: float) -> bool:
        """Take what was written; False at the deadline, and when the program has ended."""
        readable, _, _ = select.select([self._keys], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return False
        try:
            written = self._decoder.decode(os.read(self._keys, 65536))
        except OSError:  # nobody holds the terminal any more
            return False
        self.written += written
        self.screen.feed(written)
        return True


# Private


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
