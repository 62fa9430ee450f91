"""A program on a pseudo-terminal, and what it has written there."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

_LONGEST = 20.0


class PseudoTerminal:
    """Runs `command` in the foreground of a terminal of its own."""

    def __init__(self, command: Sequence[str], *, columns: int, lines: int, environment: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._ended = False
        self.written = ""
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def until(self, pattern: str) -> str:
        """Read until `pattern` is found in what came since the last find; what came up to its end."""
        deadline = time.monotonic() + _LONGEST
        while not (found := re.search(pattern, self.written)):
            assert not self._ended, f"ended without `{pattern}`: {self.written[-2000:]!r}"
            self._read(deadline)
        seen, self.written = self.written[: found.end()], self.written[found.end() :]
        return seen

    def end(self) -> str:
        """All that is still written until the program ends by itself."""
        deadline = time.monotonic() + _LONGEST
        while not self._ended:
            self._read(deadline)
        self.process.wait(_LONGEST)
        return self.written

    # Private

    def _read(self, deadline: float) -> None:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"waited in vain; so far: {self.written[-2000:]!r}"
        read = b""
        # Linux tells of the end of a terminal's last program as an error (EIO).
        with contextlib.suppress(OSError):
            read = os.read(self._ours, 65536)
        self._ended = not read
        self.written += self._decoder.decode(read)
