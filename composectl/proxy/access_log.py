"""The access log: the loop makes a line for each request, and a thread writes the lines."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Final, Literal, Protocol

from composectl.errors import plural
from composectl.proxy.access_log_format import AccessRecord
from composectl.proxy.head import Fields
from composectl.proxy.trusted_path import is_descriptor, resolve

# A tenth of a second of the most requests that a core answers, several times over
_CAPACITY: Final = 16_384
_FLUSH_INTERVAL: Final = 0.05
_LAST_SECONDS: Final = 1.0
_Task = list[str] | Literal["reopen", "end"]
STDOUT: Final = "-"
_PRIVATE: Final = 0o600
_STDOUT: Final = 1
_EVERY: Final = 60
_ATTEMPTS: Final = 3


class Writer(Protocol):
    """Writes lines, at its own pace; `waiting`, `lost` and `written` count them."""

    @property
    def waiting(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def written(self) -> int: ...
    @property
    def last_error(self) -> str: ...
    def write(self, lines: list[str]) -> None: ...
    def reopen(self) -> None: ...
    def close(self) -> None: ...


class AccessLog:
    """Hands lines to `writer`, twenty times a second at most; lines beyond the `capacity` are dropped.

    `line` formats a record, in the loop: a thread that formatted many together would block the interpreter for as long.
    `headers`: the request fields to be logged, by names in lower case. `on_stdout`: stdout belongs to the log.
    """

    def __init__(
        self,
        writer: Writer,
        line: Callable[[AccessRecord], str],
        headers: frozenset[bytes] = frozenset(),
        *,
        on_stdout: bool = False,
        capacity: int = _CAPACITY,
    ) -> None:
        self.headers = headers
        self.on_stdout = on_stdout
        self._dropped = 0
        self._internal_error = ""
        self._writer = writer
        self._line = line
        self._max_lines = capacity
        self._capacity = capacity
        self._lines: list[str] = []

    @property
    def written(self) -> int:
        return self._writer.written

    @property
    def dropped(self) -> int:
        return self._dropped + self._writer.lost

    @property
    def last_error(self) -> str:
        return self._writer.last_error or self._internal_error

    def logged_headers(self, fields: Fields) -> dict[bytes, bytes]:
        """Those of these fields that are to be logged, by names in lower case."""
        if not self.headers:
            return {}
        return {lower: value for name, value in fields if (lower := name.lower()) in self.headers}

    def record(self, record: AccessRecord) -> None:
        """Log a request that has ended."""
        lines = self._lines
        if len(lines) >= self._capacity and not self._has_capacity():
            self._dropped += 1
            return
        try:
            lines.append(self._line(record))
        except Exception as error:  # the request is answered, and the next line may succeed
            self._dropped += 1
            self._internal_error = f"a fault in composectl: {error!r}"
            return
        if len(lines) == 1:
            asyncio.get_running_loop().call_later(_FLUSH_INTERVAL, self.flush)

    def flush(self) -> None:
        """Hand over the lines so far."""
        lines, self._lines = self._lines, []
        if lines:
            self._writer.write(lines)
        self._has_capacity()

    def reopen(self) -> None:
        """Write later records to the file that has the name now."""
        self.flush()
        self._writer.reopen()

    def close(self) -> None:
        """Write what is left, if that does not take long."""
        self.flush()
        self._writer.close()

    # Private

    def _has_capacity(self) -> bool:
        self._capacity = self._max_lines - self._writer.waiting
        return len(self._lines) < self._capacity


class AccessWriter:
    """A thread that starts with the first line."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._worker: threading.Thread | None = None
        self._taken = 0
        self.written = 0
        self.lost = 0
        self.last_error = ""

    @property
    def waiting(self) -> int:
        return self._taken - self.written - self.lost

    def write(self, lines: list[str]) -> None:
        if self._worker is None:
            # The process does not wait for it at its end: a pipe without a reader may block it.
            self._worker = threading.Thread(target=self._work, name="access log", daemon=True)
            self._worker.start()
        self._taken += len(lines)
        self._tasks.put(lines)

    def reopen(self) -> None:
        """Open the file anew after the lines of earlier calls."""
        self._tasks.put("reopen")

    def close(self) -> None:
        """Write what is left, if that does not take long, and end."""
        if self._worker is not None:
            self._tasks.put("end")
            self._worker.join(_LAST_SECONDS)
            if self._worker.is_alive():
                return  # it still uses the file
        self._sink.close()

    # Private

    def _work(self) -> None:
        while (task := self._tasks.get()) != "end":
            failure: OSError | None = None
            lines = written = 0
            try:
                if task == "reopen":
                    self._sink.reopen()
                else:
                    lines = len(task)
                    written, failure = self._sink.write("".join(task).encode("ascii", "backslashreplace"))
            except OSError as error:
                failure = error
            if failure is not None:
                self.last_error = failure.strerror or str(failure)
            self.written += written
            self.lost += lines - written


class Sink:
    """Opened when it is made, unless a `descriptor` is there: raises OSError.

    A named pipe is opened for reading, too, so that it needs no other reader. `turn`: the descriptor of a file that is
    locked while lines are written, since several processes write to one log.
    """

    def __init__(self, path: str, descriptor: int | None = None, turn: int | None = None) -> None:
        self._path = path
        self._descriptor = _open(path) if descriptor is None else descriptor
        self._turn = turn
        self._torn = False  # the last line was not written to its end

    def reopen(self) -> None:
        """Go on in the file that has this name now. Raises OSError, and then goes on in the old one."""
        if self._path != STDOUT:
            before, self._descriptor = self._descriptor, _open(self._path)
            self._torn = False
            os.close(before)

    def write(self, lines: bytes) -> tuple[int, OSError | None]:
        """Write these, however long it takes; how many are written whole, and why the rest is not."""
        with self._in_turn():
            return self._write(lines)

    def close(self) -> None:
        if self._descriptor != _STDOUT:
            os.close(self._descriptor)

    @property
    def descriptor(self) -> int:
        return self._descriptor

    # Private

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        from fcntl import LOCK_EX, LOCK_UN, lockf  # there is none on Windows

        lockf(self._turn, LOCK_EX)
        try:
            yield
        finally:
            lockf(self._turn, LOCK_UN)

    def _write(self, lines: bytes) -> tuple[int, OSError | None]:
        data = b"\n" + lines if self._torn else lines
        before, at = len(data) - len(lines), 0
        failure = None
        try:
            while at < len(data):
                try:
                    at += os.write(self._descriptor, data[at:])
                except BlockingIOError:  # the other end has made it non-blocking
                    select.select([], [self._descriptor], [])
        except OSError as error:
            failure = error
        self._torn = data[at - 1 : at] != b"\n" if at else self._torn
        return data.count(b"\n", before, max(at, before)), failure


class AccessLogMonitor:
    """Looks at the log once a second; warns every `every` seconds at most."""

    def __init__(self, log: AccessLog, every: int = _EVERY) -> None:
        self._log = log
        self._every = every
        self._since = every
        self._reported: tuple[int, str] = (0, "")

    def warning(self) -> str:
        """A warning, or nothing."""
        self._since += 1
        dropped, why = now = (self._log.dropped, self._log.last_error)
        if now == self._reported or self._since <= self._every:
            return ""
        lines = dropped - self._reported[0]
        self._reported, self._since = now, 0
        count = f"dropped {plural(lines, 'line')}: " if lines else ""
        return f"access log: {count}{why or 'reader too slow'}"


# Private


def _open(path: str) -> int:
    if path == STDOUT:
        if sys.__stdout__ is None:  # it was closed, and something else may have its descriptor by now
            raise OSError(errno.EBADF, "stdout is closed")
        return _STDOUT
    for _ in range(_ATTEMPTS):
        found = resolve(path)
        try:
            mode = os.stat(found).st_mode
        except FileNotFoundError:
            how = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        else:
            how = os.O_RDWR if stat.S_ISFIFO(mode) else os.O_WRONLY
        how |= 0 if is_descriptor(found) else os.O_NOFOLLOW
        with suppress(FileExistsError, FileNotFoundError):  # it came, or went, in between
            return os.open(found, how | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY, _PRIVATE)
    raise OSError(errno.EBUSY, "the file comes and goes", path)
