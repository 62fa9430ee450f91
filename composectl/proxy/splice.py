"""Bytes from one socket to another through the kernel, which this process never sees (splice(2), Linux)."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from composectl.proxy.sockets import open_files, unacknowledged

CAN_SPLICE: Final = hasattr(os, "splice")
_FLAGS: Final[int] = getattr(os, "SPLICE_F_NONBLOCK", 0) | getattr(os, "SPLICE_F_MOVE", 0)
_PIPE_SIZES: Final = (1024 * 1024, 256 * 1024, 64 * 1024)  # the largest that may be had (pipe(7))
_LARGE_PIPES: Final = 32  # of the 64 that a user may have by default
_PIPE_SIZE: Final = _PIPE_SIZES[0]
_AT_ONCE: Final = 2  # pipes full, before others have their turn
_KEPT: Final = 32
_DESCRIPTORS: Final = 4  # two of the pipe, and one of each socket
_PART_OF_FILES: Final = 8

Pipe = tuple[int, int]  # to read from, and to write to


class Splice:
    """Moves what comes from `source` to `target`: `size` bytes, or all until its end.

    `target` must have nothing to write, and both are left alone until `stop`. `ended` is called once all is moved or
    `source` has ended, with None; or with the error of a socket, and whether it is that of `source`. `moved`: the bytes
    taken from `source`, in so many `fills`. Raises OSError where descriptors are scarce, and so does `start`.
    """

    __slots__ = (
        "_ended",
        "_from",
        "_in_pipe",
        "_is_over",
        "_is_watching",
        "_left",
        "_loop",
        "_pipe",
        "_source",
        "_stopped",
        "_to",
        "fills",
        "moved",
        "waits_for_target",
    )

    def __init__(
        self,
        source: asyncio.Transport,
        target: asyncio.Transport,
        ended: Callable[[OSError | None, bool], None],
        size: int | None = None,
    ) -> None:
        self.moved = self.fills = 0
        self.waits_for_target = False
        self._ended = ended
        self._left = sys.maxsize if size is None else size
        self._in_pipe = 0
        self._is_over = self._is_watching = self._stopped = False
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._from: int = source.get_extra_info("socket").fileno()
        self._to: int = target.get_extra_info("socket").fileno()
        self._pipe = PIPES.take()

    def start(self) -> None:
        """Move what has come, and watch both sockets where that is not all; `ended` may be called before it returns."""
        self._move()
        if not self._is_over:
            self._watch()

    def stop(self) -> bytes:
        """Let go of both sockets; returns what was taken and not passed on."""
        if self._stopped:
            return b""
        self._is_over = self._stopped = True
        if self._is_watching:
            self._unwatch()
            _close(self._from, self._to)
        rest = _read(self._pipe[0], self._in_pipe)
        PIPES.give_back(self._pipe)
        return rest

    def progress(self) -> int:
        """Changes while the one that is waited for sends something, or takes something."""
        return self.moved - self._in_pipe - unacknowledged(self._to) if self.waits_for_target else self.moved

    # Private

    def _watch(self) -> None:
        self._source.pause_reading()
        copies: list[int] = []
        try:
            # The loop watches each descriptor for one party alone, and the transports have these.
            for descriptor in (self._from, self._to):
                copies.append(os.dup(descriptor))
        except BaseException:
            _close(*copies)
            raise
        self._from, self._to = copies
        self._is_watching = True
        if self.waits_for_target:
            self._loop.add_writer(self._to, self._move)
        else:
            self._loop.add_reader(self._from, self._move)

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._from)
        self._loop.remove_writer(self._to)

    def _end(self, error: OSError | None, *, of_source: bool = False) -> None:
        self._is_over = True
        if self._is_watching:
            self._unwatch()
        self._ended(error, of_source)

    def _move(self) -> None:
        if self._is_over:
            return
        for _ in range(_AT_ONCE):
            if not (self._in_pipe or self._fill()) or not self._empty():
                return
            if not self._left:
                self._end(None)
                return
        # Of a reset, uvloop tells once alone, also where more is to be read before it.
        self._loop.call_soon(self._move)

    def _fill(self) -> bool:
        """Whether there is now something in the pipe."""
        try:
            taken = os.splice(self._from, self._pipe[1], min(self._left, _PIPE_SIZE), flags=_FLAGS)
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
                self._in_pipe -= os.splice(self._pipe[0], self._to, self._in_pipe, flags=_FLAGS)
        except BlockingIOError:
            self._turn(waits_for_target=True)
            return False
        except OSError as error:
            self._end(error)
            return False
        self._turn(waits_for_target=False)
        return True

    def _turn(self, *, waits_for_target: bool) -> None:
        """Wait for the target, or for the source."""
        if waits_for_target == self.waits_for_target:
            return
        self.waits_for_target = waits_for_target
        if not self._is_watching:
            return
        if waits_for_target:
            self._loop.remove_reader(self._from)
            self._loop.add_writer(self._to, self._move)
        else:
            self._loop.remove_writer(self._to)
            self._loop.add_reader(self._from, self._move)


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
        pipe = self._free.pop() if self._free else _make_pipe(0 if self.in_use < _LARGE_PIPES else 1)
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


def _make_pipe(smaller: int) -> Pipe:
    """One of the sizes from that number on."""
    pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    if not any(_has_size(pipe[1], size) for size in _PIPE_SIZES[smaller:]):
        _close(*pipe)  # its user has used up the pages for pipes: through so small a one, a splice costs more
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
    return pipe


def _has_size(pipe: int, size: int) -> bool:
    import fcntl

    with suppress(OSError):
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size) >= size
    return False


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
