"""A terminal that is read: what is drawn there is forgotten."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bench.cores import step_aside

_COLUMNS, _LINES = 120, 40


@contextmanager
def terminal() -> Iterator[int]:
    """A descriptor for a process to draw on."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    reader = threading.Thread(target=_read_all, args=(ours,))
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


# Private


def _read_all(descriptor: int) -> None:
    step_aside()
    # Linux tells of the end of a terminal's last program as an error (EIO).
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass
