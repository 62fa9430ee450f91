"""Runs a daemon in the background: its caller gets the terminal back as soon as it is ready."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from composectl import __version__
from composectl.control.paths import make_state_dir, rotated_log

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ReadyNotifier = Callable[[str, str], None]
_MAX_BYTES = 5_000_000
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_background(work: Callable[[ReadyNotifier], int], folder: Path) -> int:
    """Run `work` in a process of its own session, and return its exit code, or 0 as soon as it is ready.

    `notify_ready(text, name)` prints `text` for the caller; later output goes to the log of that name in `folder`.
    Must be called before there are threads. Raises ComposectlError where there can be no log.
    """
    make_state_dir(folder)
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return _wait_for(child, reader)
    os.close(reader)
    os.setsid()
    log: list[Path] = []

    def notify_ready(text: str, name: str) -> None:
        log.append(folder / name)
        _notify(writer, text, log[0])

    exit_code = work(notify_ready)
    if log:
        sys.stdout.write(f"ended with exit code {exit_code}\n")
    return exit_code


class LogFile(io.RawIOBase):
    """Takes the place of these descriptors, stamps each line, and is rotated once after `max_bytes`.

    A full disk loses lines, and raises nothing. Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path, descriptors: Collection[int], max_bytes: int = _MAX_BYTES) -> None:
        self._path = path
        self._descriptors = tuple(descriptors)
        self._max_bytes = max_bytes
        self._at_start = True
        self._open()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        written = bytes(data)
        with suppress(OSError):
            left = self._stamped(written) if written else b""
            while left:
                left = left[os.write(self._descriptors[0], left) :]
            file = os.fstat(self._descriptors[0])
            if self._at_start and file.st_size >= self._max_bytes:
                if os.path.samestat(file, os.stat(self._path)):  # else another process has rotated it
                    self._path.replace(rotated_log(self._path))
                self._open()
        return len(written)

    # Private

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        opened = os.open(self._path, flags, 0o600)
        for descriptor in self._descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)

    def _stamped(self, data: bytes) -> bytes:
        stamp = f"{datetime.now().astimezone().isoformat(timespec='milliseconds')} ".encode()
        first = stamp if self._at_start else b""
        self._at_start = data.endswith(b"\n")
        last = b"\n" if self._at_start else b""
        return first + data.removesuffix(last).replace(b"\n", b"\n" + stamp) + last


# Private


def _notify(writer: int, text: str, log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    file = LogFile(log, (1, 2))
    sys.stdout = sys.stderr = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", write_through=True)
    sys.stdout.write(f"composectl {__version__}, process {os.getpid()}\n{text}")
    with suppress(BrokenPipeError):  # the caller has gone
        os.write(writer, text.encode())
    os.close(writer)


def _wait_for(child: int, reader: int) -> int:
    """Wait until the child is ready or ends, and pass signals on to it."""
    handlers = {number: signal.signal(number, lambda number, _: os.kill(child, number)) for number in _FORWARDED}
    try:
        with os.fdopen(reader) as pipe:
            text = pipe.read()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if text:
        sys.stdout.write(text)
        return 0
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
