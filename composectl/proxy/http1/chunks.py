"""The lines before chunks: found in any pieces of a body, and freed of their extensions (RFC 9112, section 7.1)."""

from __future__ import annotations

import re
from typing import Final

from composectl.proxy.errors import BadMessage, ErrorReason

_LINE_END: Final = b"\r\n"
_HEX: Final = b"0123456789abcdefABCDEF"
_MAX_DIGITS: Final = 20
_SIZES: Final[dict[bytes, int]] = {}  # of chunks, as they were written
_MAX_SIZES: Final = 4096
_LONGEST_LINE: Final = 8 * 1024
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_BEGUN: Final = re.compile(rb"[0-9A-Fa-f]{1,20}+[ \t]*+(?:;[\t\x20-\x7e\x80-\xff]*+)?\r?")
# llhttp takes no space around `;` and `=` (RFC 9112, section 7.1.1).
_EXTENDED: Final = re.compile(
    rb"([0-9A-Fa-f]{1,20})(?:[ \t]*+;[ \t]*+%b(?:[ \t]*+=[ \t]*+(?:%b|%b))?)*+\r\n" % (_TOKEN, _TOKEN, _QUOTED)
)


class ChunkLines:
    """Follows one body; an invalid line is a BadMessage with `status` and `reason`.

    `end`: up to where the last data were taken. `last`: the last chunk has come, and trailers follow, if only an empty
    line.
    """

    __slots__ = ("_begun", "_left", "_reason", "_status", "end", "last")

    def __init__(self, status: int, reason: ErrorReason) -> None:
        self._status = status
        self._reason = reason
        self._begun = b""  # a line that is not whole yet
        self._left = 0  # bytes before the next line
        self.end = 0
        self.last = False

    def take(self, data: bytes, at: int = 0) -> bytes | None:
        """What stands for `data` from `at` to `end`, without extensions and half lines; None where it may stay.

        Raises BadMessage.
        """
        if self._begun:
            return self._take_others(data, at)
        line, size = self._follow_plain(data, at + self._left), len(data)
        if line < size and not self.last:
            self._left = line - at
            return self._take_others(data, at)
        self._left, self.end = max(0, line - size), min(line, size)
        return None

    # Private

    def _follow_plain(self, data: bytes, line: int) -> int:
        """Go from line to line as long as they are the usual ones; where the next one begins."""
        size = len(data)
        while line < size and not self.last:
            end = data.find(_LINE_END, line)
            digits = data[line:end] if end >= 0 else b""
            count = _SIZES.get(digits)
            if count is None:
                if not digits or len(digits) > _MAX_DIGITS or digits.strip(_HEX):
                    break
                count = int(digits, 16)
                if len(_SIZES) < _MAX_SIZES:
                    _SIZES[digits] = count
            line = self._after_line(data, end + len(_LINE_END), count)
        return line

    def _take_others(self, data: bytes, at: int) -> bytes:
        """As `take`, where something changes."""
        begun, self._begun = self._begun, b""
        before = at - len(begun) if begun else 0
        if begun:
            data, at = begun + data[at:], 0
        size, start, line = len(data), at, at + self._left
        parts: list[bytes] = []
        while line < size and not self.last:
            end = data.find(b"\n", line) + 1
            if not end:
                self._begin(data[line:])
                parts.append(data[start:line])
                start = line = size
                break
            digits = self._digits(data, line, end)
            parts += (data[start:line], digits)
            start = end - len(_LINE_END)
            line = self._after_line(data, end, int(digits, 16))
        self._left, self.end = max(0, line - size), min(line, size) + before
        parts.append(data[start : min(line, size)])
        return b"".join(parts)

    def _after_line(self, data: bytes, end: int, count: int) -> int:
        """Where the next line begins behind one that ends there, before a chunk of `count` bytes."""
        if count:
            return end + count + len(_LINE_END)
        self.last = True
        return end + len(_LINE_END) if data.startswith(_LINE_END, end) else end

    def _begin(self, line: bytes) -> None:
        if len(line) > _LONGEST_LINE or _BEGUN.fullmatch(line) is None:
            raise BadMessage(self._status, self._reason)
        self._begun = line

    def _digits(self, data: bytes, start: int, end: int) -> bytes:
        match = _EXTENDED.fullmatch(data, start, end)
        if match is None:
            raise BadMessage(self._status, self._reason)
        return match[1]
