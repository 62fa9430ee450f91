"""Where the heads of responses end in what is being read, which llhttp does not tell."""

from __future__ import annotations

import re

_BLANK_LINE = re.compile(rb"\n\r?\n")  # lines may end without a CR
# With empty lines before it
_HEAD = re.compile(rb"[\r\n]*+.*?\n\r?\n", re.DOTALL)
_LINE_ENDS = b"\r\n"
_LONGEST_TAIL = 3  # of what may be the beginning of a blank line


class HeadEnd:
    """Is told of all data before they are read, and after. `begun`: a head is not whole yet."""

    __slots__ = ("_at", "_data", "_tail", "begun")

    def __init__(self) -> None:
        self.begun = False
        self._data = b""
        self._at = 0  # where the next head begins,
        self._tail = b""  # and the last of it that was read before

    def reading(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def find(self) -> int:
        """Where the head ends that was just read: what follows it begins there."""
        tail, data = self._tail, self._data
        found = _BLANK_LINE.search(tail + data) if tail else _HEAD.match(data, self._at)
        assert found is not None
        self._at, self._tail = found.end() - len(tail), b""
        return self._at

    def has_read(self) -> None:
        data, self._data = self._data, b""
        if self.begun:
            self._tail += data[self._at :] if self._tail else data[self._at :].lstrip(_LINE_ENDS)
            self._tail = self._tail[-_LONGEST_TAIL:]
        else:
            self._tail = b""

    @property
    def data(self) -> bytes:
        """What is being read."""
        return self._data
