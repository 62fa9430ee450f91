"""Where the heads of responses end in what is being read, which llhttp does not tell."""

from __future__ import annotations

from typing import Final

_BLANK_LINE: Final = b"\n\r\n"
_BLANK_LINE_WITHOUT_CR: Final = b"\n\n"
_LINE_ENDS: Final = b"\r\n"
_LONGEST_TAIL: Final = 3  # of what may be the beginning of a blank line


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
        if tail:
            self._at, self._tail = _end_in(tail + data, 0) - len(tail), b""
        else:
            at = self._at
            while data[at] in _LINE_ENDS:  # empty lines before it
                at += 1
            self._at = _end_in(data, at)
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


# Private


def _end_in(data: bytes, at: int) -> int:
    blank = data.find(_BLANK_LINE, at)
    without = data.find(_BLANK_LINE_WITHOUT_CR, at, blank if blank >= 0 else len(data))
    return without + len(_BLANK_LINE_WITHOUT_CR) if without >= 0 else blank + len(_BLANK_LINE)
