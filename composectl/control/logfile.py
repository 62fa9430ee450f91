"""The log of a composectl in the background: lines with their time, in a file that does not grow for ever."""

from __future__ import annotations

import io
import os
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from composectl.control.state import before

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MOST_BYTES = 5_000_000


class LogFile(io.RawIOBase):
    """Takes the place of these descriptors; what was written before the last `most` bytes goes to a second file.

    A disk that is full loses lines, and ends nobody. Raises OSError where it cannot be opened.
    """

    def __init__(self, path: Path, descriptors: Collection[int], most: int = _MOST_BYTES) -> None:
        self._path = path
        self._descriptors = tuple(descriptors)
        self._most = most
        self._at_start = True
        self._open()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        given = bytes(data)
        with suppress(OSError):
            self._write_all(self._stamped(given) if given else b"")
            if self._at_start and os.fstat(self._descriptors[0]).st_size >= self._most:
                self._turn()
        return len(given)

    # Private

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        opened = os.open(self._path, flags, 0o600)
        for descriptor in self._descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)

    def _turn(self) -> None:
        """Begin anew, unless the file is another's by now."""
        if os.path.samestat(os.fstat(self._descriptors[0]), os.stat(self._path)):
            self._path.replace(before(self._path))
        self._open()

    def _write_all(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptors[0], data) :]

    def _stamped(self, data: bytes) -> bytes:
        stamp = f"{datetime.now().astimezone().isoformat(timespec='milliseconds')} ".encode()
        first = stamp if self._at_start else b""
        self._at_start = data.endswith(b"\n")
        last = b"\n" if self._at_start else b""
        return first + data.removesuffix(last).replace(b"\n", b"\n" + stamp) + last
