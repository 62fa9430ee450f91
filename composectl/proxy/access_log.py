"""The access log, as far as the loop sees it: takes an entry for each request, and waits for nothing."""

from __future__ import annotations

import asyncio
from typing import Protocol

from composectl.proxy.entry import Entry

# A tenth of a second of the most requests that a core answers, several times over
_MOST = 16_384
_PAUSE = 0.05


class Writer(Protocol):
    """Whoever writes the entries down, at its own pace."""

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

    def take(self, entries: list[Entry]) -> None:
        """Write these, soon."""

    def reopen(self) -> None:
        """Go on in the file that has the name now."""

    def close(self) -> None:
        """Write what is left, and end."""


class AccessLog:
    """Hands what it was told to `writer`, twenty times a second at most; what finds no room there is dropped.

    `headers`: what is wanted of a request besides its first line, by names in lower case; `on_stdout`: stdout belongs
    to the log.
    """

    def __init__(
        self,
        writer: Writer,
        headers: frozenset[bytes] = frozenset(),
        *,
        on_stdout: bool = False,
        most: int = _MOST,
    ) -> None:
        self.headers = headers
        self.on_stdout = on_stdout
        self._dropped = 0
        self._writer = writer
        self._most = most
        self._room = most
        self._entries: list[Entry] = []

    @property
    def written(self) -> int:
        """How many entries are written."""
        return self._writer.written

    @property
    def dropped(self) -> int:
        """How many are not, and never will be."""
        return self._dropped + self._writer.lost

    @property
    def complaint(self) -> str:
        """Why it could not write, the last time that it could not."""
        return self._writer.complaint

    def note(self, entry: Entry) -> None:
        """A request has ended."""
        entries = self._entries
        if len(entries) >= self._room and not self._finds_room():
            self._dropped += 1
            return
        entries.append(entry)
        if len(entries) == 1:
            asyncio.get_running_loop().call_later(_PAUSE, self.hand_over)

    def hand_over(self) -> None:
        """Give away what there is."""
        entries, self._entries = self._entries, []
        if entries:
            self._writer.take(entries)
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
        return len(self._entries) < self._room
