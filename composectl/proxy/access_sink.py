"""Where the lines of the access log go: a file that can be opened anew, a pipe, or our own stdout."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from pathlib import Path

STDOUT = "-"
_PRIVATE = 0o600
_STDOUT = 1


class Sink:
    """Opened when it is made: raises OSError.

    A named pipe is opened for reading, too, so that nobody else has to read it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = _stdout() if path == STDOUT else _open(path)
        self._torn = False  # the last line was not written to its end

    def reopen(self) -> None:
        """Go on in the file that has this name now. Raises OSError, and then goes on in the old one."""
        if self._path != STDOUT:
            before, self._descriptor = self._descriptor, _open(self._path)
            self._torn = False
            os.close(before)

    def write(self, lines: bytes) -> tuple[int, OSError | None]:
        """Write these, however long it takes; how many are written whole, and why the rest is not."""
        data = b"\n" + lines if self._torn else lines
        before, at = len(data) - len(lines), 0
        try:
            while at < len(data):
                at += self._write_some(data[at:])
            failure = None
        except OSError as error:
            failure = error
        self._torn = data[at - 1 : at] != b"\n" if at else self._torn
        return data.count(b"\n", before, max(at, before)), failure

    def close(self) -> None:
        """Write nothing more."""
        if self._descriptor != _STDOUT:
            os.close(self._descriptor)

    # Private

    def _write_some(self, data: bytes) -> int:
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:  # whoever has the other end of it does not want us to wait
                select.select([], [self._descriptor], [])


# Private


def _stdout() -> int:
    if sys.stdout is None:  # it was closed, and something else may have its descriptor by now
        raise OSError(errno.EBADF, "stdout is closed")
    return _STDOUT


def _open(path: str) -> int:
    how = os.O_RDWR if _is_pipe(path) else os.O_WRONLY
    return os.open(path, how | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, _PRIVATE)


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except FileNotFoundError:
        return False
