"""Going on in the background: the caller gets its terminal back when there is something to tell it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

Announce = Callable[[str, Path], None]


def detach(work: Callable[[Announce], int]) -> int:
    """Run `work` in a process of its own session, and return its exit code, or 0 as soon as it announces itself.

    `announce(text, log)` prints `text` for the caller; what is said later goes to the file `log`.
    Must be called before there are threads.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return _wait_for(child, reader)
    os.close(reader)
    os.setsid()
    return work(lambda text, log: _announce(writer, text, log))


# Private


def _announce(writer: int, text: str, log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    log_file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log_file, 1), (log_file, 2)):
        os.dup2(source, target)
    os.close(log_file)
    os.close(nothing)
    os.write(writer, text.encode())
    os.close(writer)


def _wait_for(child: int, reader: int) -> int:
    """Until the child announces itself or ends; our Ctrl-C is the child's."""
    before = {number: signal.signal(number, lambda number, _: os.kill(child, number)) for number in _FORWARDED}
    try:
        with os.fdopen(reader) as pipe:
            text = pipe.read()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if text:
        sys.stdout.write(text)
        return 0
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


_FORWARDED = (signal.SIGINT, signal.SIGTERM)
