"""A program on a real pseudo-terminal: the keys, what it writes, and what the screen shows."""

from __future__ import annotations

import fcntl
import os
import re
import select
import subprocess
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.screen import Screen

CTRL_C = "\x03"
PATIENCE = 60.0


class Terminal:
    """Runs `command` in `rows` x `columns`; `written` is all that it wrote, `screen` what the terminal shows."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        rows: int = 40,
        columns: int = 140,
        kind: str = "xterm-256color",
    ) -> None:
        self.screen = Screen(rows, columns)
        self.written = ""
        self._seen = 0
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._keys, terminal = os.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**_without_size(environment), "TERM": kind},
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
        self.process.kill()
        self.process.wait()
        os.close(self._keys)

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._keys, (rows, columns))

    def type(self, keys: str) -> None:
        os.write(self._keys, keys.encode())

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._keys)[3] & termios.ECHO)

    def is_canonical(self) -> bool:
        """Whether programs get whole lines, as is usual."""
        return bool(termios.tcgetattr(self._keys)[3] & termios.ICANON)

    def shows(self, expected: Callable[[str], bool], within: float = PATIENCE) -> bool:
        """Whether the screen comes to look as expected."""
        deadline = time.monotonic() + within
        while not expected(self.screen.text):
            if not self._read(deadline):
                return False
        return True

    def until(self, pattern: str, within: float = PATIENCE) -> str:
        """Read until `pattern` is in what came since the last call; what came up to the end of it."""
        deadline = time.monotonic() + within
        while not (found := re.compile(pattern).search(self.written, self._seen)):
            assert self._read(deadline), f"no `{pattern}` in {self.written[-2000:]!r}"
        start, self._seen = self._seen, found.end()
        return self.written[start : self._seen]

    def rest(self, within: float = PATIENCE) -> str:
        """What came since the last `until`, read until the program has ended."""
        self.end(within)
        return self.written[self._seen :]

    def end(self, within: float = PATIENCE) -> int:
        """Wait for the program to end; its exit code."""
        deadline = time.monotonic() + within
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    # Private

    def _read(self, deadline: float) -> bool:
        """Take what was written; False at the deadline, and when the program has ended."""
        readable, _, _ = select.select([self._keys], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return False
        try:
            written = self._decoder.decode(os.read(self._keys, 65536))
        except OSError:  # Linux reports the end of the last program on a terminal as EIO
            return False
        self.written += written
        self.screen.feed(written)
        return True


# Private


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _without_size(environment: Mapping[str, str]) -> dict[str, str]:
    """Without the size of another terminal, which pytest-xdist tells."""
    return {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
