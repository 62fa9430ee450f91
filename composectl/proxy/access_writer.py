"""The thread that writes the lines of the access log, while nobody waits for it."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Literal

from composectl.proxy.access_sink import Sink

_LAST_SECONDS = 1.0

_Task = list[str] | Literal["reopen", "end"]


class AccessWriter:
    """Starts with the first line. `complaint` is the last failure to write, or to open the file anew."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._taken = 0
        self.written = 0
        self.lost = 0
        self.complaint = ""

    @property
    def waiting(self) -> int:
        """How many lines it was given, and is not done with."""
        return self._taken - self.written - self.lost

    def take(self, lines: list[str]) -> None:
        """Write these, soon."""
        if self._thread is None:
            # Nobody waits for it at the end of the process, should a pipe that nobody reads have it in its hands.
            self._thread = threading.Thread(target=self._work, name="access log", daemon=True)
            self._thread.start()
        self._taken += len(lines)
        self._tasks.put(lines)

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

    def _write(self, lines: list[str]) -> None:
        written, failure = self._sink.write("".join(lines).encode("ascii", "backslashreplace"))
        if failure is not None:
            self.complaint = _reason(failure)
        self.written += written
        self.lost += len(lines) - written


# Private


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
