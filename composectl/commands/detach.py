"""Going on in the background: the caller gets its terminal back when there is something to tell it."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from composectl import __version__
from composectl.control.logfile import LogFile
from composectl.control.state import make_state_folder

Announce = Callable[[str, str], None]


def detach(work: Callable[[Announce], int], folder: Path) -> int:
    """Run `work` in a process of its own session, and return its exit code, or 0 as soon as it announces itself.

    `announce(text, name)` prints `text` for the caller; what is said later goes to the log of that name in `folder`.
    Must be called before there are threads. Raises ComposectlError where there can be no log.
    """
    make_state_folder(folder)
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return _wait_for(child, reader)
    os.close(reader)
    os.setsid()
    log: list[Path] = []

    def announce(text: str, name: str) -> None:
        log.append(folder / name)
        _announce(writer, text, log[0])

    exit_code = work(announce)
    if log:
        sys.stdout.write(f"ended with exit code {exit_code}\n")
    return exit_code


# Private


def _announce(writer: int, text: str, log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    file = LogFile(log, (1, 2))
    sys.stdout = sys.stderr = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", write_through=True)
    sys.stdout.write(f"composectl {__version__}, process {os.getpid()}\n{text}")
    with suppress(BrokenPipeError):  # whoever called has gone
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


_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
