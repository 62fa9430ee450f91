"""Keys pressed while the table is drawn leave no trace in it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Keep the terminal from echoing what is typed; Ctrl-C and Ctrl-Z work on."""
    if sys.platform == "win32" or not _in_foreground():
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    termios.tcsetattr(descriptor, termios.TCSANOW, [*before[:3], before[3] & ~termios.ECHO, *before[4:]])
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


# Private


def _in_foreground() -> bool:
    # A background job that sets its terminal is stopped for it (SIGTTOU).
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
