"""Output that ends nothing: a reader may leave, a terminal vanish and a disk be full while requests are served."""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT, _STDERR = 1, 2
_READER_TIMEOUT = 50  # milliseconds for a slow reader to catch up, once
_PIECE = 512  # a pipe or terminal that takes anything takes so much at once
_GONE = getattr(select, "POLLERR", 0) | getattr(select, "POLLHUP", 0)


def never_fail_to_print() -> None:
    """From now on, what stdout and stderr do not take is dropped."""
    sys.stdout = _unfailing(sys.stdout, _STDOUT)
    sys.stderr = _unfailing(sys.stderr, _STDERR)


def forget_lost_readers() -> None:
    """Give the readers up that have gone: Compose, which gets the same descriptors, would end for want of them."""
    for stream in (sys.stdout, sys.stderr):
        output = getattr(stream, "buffer", None)
        if isinstance(output, UnfailingOutput):
            output.check()


class UnfailingOutput(io.RawIOBase):
    """Writes to a descriptor what it takes, and drops the rest; it raises nothing, and does not wait for long.

    Once its reader has gone, the descriptor leads nowhere.
    """

    def __init__(self, descriptor: int) -> None:
        self.name = descriptor
        self._descriptor = descriptor
        self._is_stuck = False
        self._is_torn = False

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        written = bytes(data)
        left = b"\n" + written if self._is_torn else written
        try:
            while left and self._takes_more():
                left = left[os.write(self._descriptor, left[:_PIECE]) :]
                self._is_torn = bool(left)
        except OSError:
            self.check()
        return len(written)

    def check(self) -> None:
        """Look whether its reader has gone."""
        if self._poll(0) & _GONE:
            with suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._descriptor)
                os.close(null)

    # Private

    def _takes_more(self) -> bool:
        """One that does not read is waited for once, and not again before it reads."""
        self._is_stuck = not self._poll(0 if self._is_stuck else _READER_TIMEOUT)
        return not self._is_stuck

    def _poll(self, milliseconds: int) -> int:
        if not hasattr(select, "poll"):
            return 1
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return sum(event for _, event in poll.poll(milliseconds))


# Private


def _unfailing(stream: TextIO | None, descriptor: int) -> io.TextIOWrapper:
    encoding, errors = "utf-8", "backslashreplace"
    if stream is not None:
        encoding, errors = stream.encoding or encoding, stream.errors or errors
        with suppress(OSError):
            stream.flush()
    return io.TextIOWrapper(UnfailingOutput(descriptor), encoding, errors, write_through=True)
