"""Bytes from one socket to another through the kernel, which this process never sees (splice(2), Linux)."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from composectl.proxy.sockets import open_files

CAN_SPLICE: Final = hasattr(os, "splice")
_FLAGS: Final[int] = getattr(os, "SPLICE_F_NONBLOCK", 0) | getattr(os, "SPLICE_F_MOVE", 0)
_PIPE_SIZE: Final = 256 * 1024
_AT_ONCE: Final = 4  # pipes full, before others have their turn
_KEPT: Final = 32
_DESCRIPTORS: Final = 4  # two of the pipe, and one of each socket
_PART_OF_FILES: Final = 8

Pipe = tuple[int, int]  # to read from, and to write to


class Splice:
    """Moves what comes from `source` to `target`: `size` bytes, or all until its end.

    `source` must be paused and `target` have nothing to write; both are left alone until `stop`. `ended` is called once
    all is moved or `source` has ended, with None; or with the error of a socket, and whether it is that of `source`.
    `moved`: the bytes taken from `source`, in so many `fills`. Raises OSError where descriptors are scarce.
    """

    __slots__ = (
        "_ended",
        "_in_pipe",
        "_left",
        "_loop",
        "_pipe",
        "_reads",
        "_source",
        "_stopped",
        "_target",
        "fills",
        "moved",
    )

    def __init__(
        self,
        source: asyncio.Transport,
        target: asyncio.Transport,
        ended: Callable[[OSError | None, bool], None],
        size: int | None = None,
    ) -> None:
        self.moved = self.fills = 0
        self._ended = ended
        self._left = sys.maxsize if size is None else size
        self._in_pipe = 0
        self._stopped = False
        self._reads = True
        self._loop = asyncio.get_running_loop()
        self._pipe = PIPES.take()
        opened: list[int] = []
        try:
            # The loop watches each descriptor for one party alone, and the transports have these.
            for transport in (source, target):
                opened.append(os.dup(transport.get_extra_info("socket").fileno()))
            self._source, self._target = opened
        except BaseException:
            _close(*opened)
            PIPES.give_back(self._pipe)
            raise
        self._loop.add_reader(self._source, self._move)

    def stop(self) -> bytes:
        """Let go of both sockets; returns what was taken and not passed on."""
        if self._stopped:
            return b""
        self._stopped = True
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._target)
        _close(self._source, self._target)
        rest = _read(self._pipe[0], self._in_pipe)
        PIPES.give_back(self._pipe)
        return rest

    # Private

    def _end(self, error: OSError | None, *, of_source: bool = False) -> None:
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._target)
        self._ended(error, of_source)

    def _move(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._in_pipe and not self._fill():
                return
            if not self._empty():
                return

    def _fill(self) -> bool:
        """Whether there is now something in the pipe."""
        if not self._left:
            self._end(None)
            return False
        try:
            taken = os.splice(self._source, self._pipe[1], min(self._left, _PIPE_SIZE), flags=_FLAGS)
        except BlockingIOError:
            return False
        except OSError as error:
            self._end(error, of_source=True)
            return False
        if not taken:
            self._end(None)
            return False
        self._left -= taken
        self._in_pipe = taken
        self.moved += taken
        self.fills += 1
        return True

    def _empty(self) -> bool:
        """Whether the pipe is empty; if not, it is emptied on once the target takes more."""
        try:
            while self._in_pipe:
                self._in_pipe -= os.splice(self._pipe[0], self._target, self._in_pipe, flags=_FLAGS)
        except BlockingIOError:
            self._turn(reads=False)
            return False
        except OSError as error:
            self._end(error)
            return False
        self._turn(reads=True)
        return True

    def _turn(self, *, reads: bool) -> None:
        """Wait for the source, or for the target."""
        if reads == self._reads:
            return
        self._reads = reads
        if reads:
            self._loop.remove_writer(self._target)
            self._loop.add_reader(self._source, self._move)
        else:
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._target, self._move)


class PipePool:
    """Pipes that are empty; `in_use` are those that are not here."""

    __slots__ = ("_free", "in_use")

    def __init__(self) -> None:
        self._free: list[Pipe] = []
        self.in_use = 0

    def take(self) -> Pipe:
        """Raises OSError where none can be had, or so many are in use that clients would lack descriptors."""
        if self.in_use >= open_files() // _PART_OF_FILES // _DESCRIPTORS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        pipe = self._free.pop() if self._free else _make_pipe()
        self.in_use += 1
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        self.in_use -= 1
        if len(self._free) < _KEPT:
            self._free.append(pipe)
        else:
            _close(*pipe)

    def close(self) -> None:
        """Close those that are here."""
        while self._free:
            _close(*self._free.pop())


PIPES: Final = PipePool()


def can_splice(transport: asyncio.Transport) -> bool:
    """Whether the kernel may read and write the connection as it is: it is a socket, and not encrypted."""
    is_socket = transport.get_extra_info("socket") is not None  # else it is a stream of HTTP/2
    return CAN_SPLICE and is_socket and transport.get_extra_info("sslcontext") is None


# Private


def _make_pipe() -> Pipe:
    import fcntl

    pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    with suppress(OSError):  # its user has used up the pages for pipes (pipe(7)); a small one does as well
        fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return pipe


def _read(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(descriptor, size)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
