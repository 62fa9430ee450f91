"""The thread that makes lines of entries and writes them, while nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Literal

from composectl.proxy.access_line import LineStyle, line_of
from composectl.proxy.access_sink import Sink
from composectl.proxy.entry import Entry

# So many lines are made at a time, in some 200 µs, before the loop has its turn again. With fewer, both would do little
# but take the interpreter from each other.
_AT_ONCE = 64
_LAST_SECONDS = 1.0

_Task = list[Entry] | Literal["reopen", "end"]


class AccessWriter:
    """Starts with the first entry. `complaint` is the last failure to write, or to open the file anew."""

    def __init__(self, sink: Sink, style: LineStyle) -> None:
        self._sink = sink
        self._style = style
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._taken = 0
        self.written = 0
        self.lost = 0
        self.complaint = ""

    @property
    def waiting(self) -> int:
        """How many entries it was given, and is not done with."""
        return self._taken - self.written - self.lost

    def take(self, entries: list[Entry]) -> None:
        """Write these, soon."""
        if self._thread is None:
            # Nobody waits for it at the end of the process, should a pipe that nobody reads have it in its hands.
            self._thread = threading.Thread(target=self._work, name="access log", daemon=True)
            self._thread.start()
        self._taken += len(entries)
        self._tasks.put(entries)

    def reopen(self) -> None:
        """Open the file anew, once what was given before is written."""
        self._tasks.put("reopen")

    def close(self) -> None:
        """Write what is left, if that does not take long, and end."""
        if self._thread is not None:
            self._tasks.put("end")
            self._thread.join(_LAST_SECONDS)
            if self._thread.is_alive():
                return  # what is open is in its hands
        self._sink.close()

    # Private

    def _work(self) -> None:
        while (task := self._tasks.get()) != "end":
            if task == "reopen":
                self._reopen()
            else:
                self._write(task)

    def _reopen(self) -> None:
        try:
            self._sink.reopen()
        except OSError as error:
            self.complaint = _reason(error)

    def _write(self, entries: list[Entry]) -> None:
        written = 0
        try:
            written, failure = self._sink.write("".join(self._lines(entries)).encode("ascii"))
            if failure is not None:
                self.complaint = _reason(failure)
        except Exception as fault:  # of ours: the next entries may fare better
            self.complaint = f"a fault in composectl: {fault!r}"
        self.written += written
        self.lost += len(entries) - written

    def _lines(self, entries: list[Entry]) -> Iterator[str]:
        style, offset = self._style, time.time_ns() - time.monotonic_ns()
        for first in range(0, len(entries), _AT_ONCE):
            for entry in entries[first : first + _AT_ONCE]:
                yield line_of(entry, style, offset)
            time.sleep(0)


# Private


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
