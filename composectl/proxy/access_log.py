"""The access log, as far as the loop sees it: makes a line for each request, and waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from composectl.proxy.entry import Entry

# A tenth of a second of the most requests that a core answers, several times over
_MOST = 16_384
_PAUSE = 0.05


class Writer(Protocol):
    """Whoever writes the lines down, at its own pace."""

    @property
    def waiting(self) -> int:
        """How many it was given, and is not done with."""

    @property
    def lost(self) -> int:
        """How many it could not write."""

    @property
    def written(self) -> int:
        """How many it has written."""

    @property
    def complaint(self) -> str:
        """Why it could not write, the last time that it could not."""

    def take(self, lines: list[str]) -> None:
        """Write these, soon."""

    def reopen(self) -> None:
        """Go on in the file that has the name now."""

    def close(self) -> None:
        """Write what is left, and end."""


class AccessLog:
    """Hands lines to `writer`, twenty times a second at most; what finds no room there is dropped.

    `line`: makes one, here and at once, some microseconds after the answer has gone: a thread that made many together
    would keep the interpreter from the loop for as long. `headers`: what is wanted of a request besides its first line,
    by names in lower case; `on_stdout`: stdout belongs to the log.
    """

    def __init__(
        self,
        writer: Writer,
        line: Callable[[Entry], str],
        headers: frozenset[bytes] = frozenset(),
        *,
        on_stdout: bool = False,
        most: int = _MOST,
    ) -> None:
        self.headers = headers
        self.on_stdout = on_stdout
        self._dropped = 0
        self._fault = ""
        self._writer = writer
        self._line = line
        self._most = most
        self._room = most
        self._lines: list[str] = []

    @property
    def written(self) -> int:
        """How many lines are written."""
        return self._writer.written

    @property
    def dropped(self) -> int:
        """How many are not, and never will be."""
        return self._dropped + self._writer.lost

    @property
    def complaint(self) -> str:
        """Why it could not write, the last time that it could not."""
        return self._writer.complaint or self._fault

    def note(self, entry: Entry) -> None:
        """A request has ended."""
        lines = self._lines
        if len(lines) >= self._room and not self._finds_room():
            self._dropped += 1
            return
        try:
            lines.append(self._line(entry))
        except Exception as fault:  # of ours: the request is answered, and the next one may fare better
            self._dropped += 1
            self._fault = f"a fault in composectl: {fault!r}"
            return
        if len(lines) == 1:
            asyncio.get_running_loop().call_later(_PAUSE, self.hand_over)

    def hand_over(self) -> None:
        """Give away what there is."""
        lines, self._lines = self._lines, []
        if lines:
            self._writer.take(lines)
        self._finds_room()

    def reopen(self) -> None:
        """What is noted from here on goes to the file that has the name now."""
        self.hand_over()
        self._writer.reopen()

    def close(self) -> None:
        """Write what is left, if that does not take long."""
        self.hand_over()
        self._writer.close()

    # Private

    def _finds_room(self) -> bool:
        self._room = self._most - self._writer.waiting
        return len(self._lines) < self._room
