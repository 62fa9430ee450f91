"""The lines before chunks: found in any pieces of a body, and freed of their extensions (RFC 9112, section 7.1)."""

from __future__ import annotations

import re

from composectl.proxy.errors import BadMessage, ErrorReason

_LINE_FEED = b"\n"
_HEX = b"0123456789abcdefABCDEF"
_MAX_DIGITS = 20
_LONGEST_LINE = 8 * 1024
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_BEGUN = re.compile(rb"[0-9A-Fa-f]{1,20}+[ \t]*+(?:;[\t\x20-\x7e\x80-\xff]*+)?\r?")
# llhttp takes no space around `;` and `=` (RFC 9112, section 7.1.1).
_EXTENDED = re.compile(
    rb"([0-9A-Fa-f]{1,20})(?:[ \t]*+;[ \t]*+%b(?:[ \t]*+=[ \t]*+(?:%b|%b))?)++\r\n" % (_TOKEN, _TOKEN, _QUOTED)
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
        begun, self._begun = self._begun, b""
        before = len(begun) - at if begun else 0
        if begun:
            data, at = begun + data[at:], 0
        size, start, line = len(data), at, at + self._left
        parts: list[bytes] = [b""] if begun else []
        while line < size and not self.last:
            end = data.find(_LINE_FEED, line) + 1
            if not end:
                self._begin(data[line:])
                parts.append(data[start:line])
                start = line = size
                break
            digits = data[line : end - 2]
            if not _is_plain(digits, data, end):
                digits = self._digits(data, line, end)
                parts += (data[start:line], digits)
                start = end - 2
            count = int(digits, 16)
            self.last = not count
            line = end + count + 2 if count else end + 2 * data.startswith(b"\r\n", end)
        self._left = max(0, line - size)
        self.end = min(line, size) - before
        if not parts:
            return None
        parts.append(data[start : min(line, size)])
        return b"".join(parts)

    # Private

    def _begin(self, line: bytes) -> None:
        if len(line) > _LONGEST_LINE or _BEGUN.fullmatch(line) is None:
            raise BadMessage(self._status, self._reason)
        self._begun = line

    def _digits(self, data: bytes, start: int, end: int) -> bytes:
        match = _EXTENDED.fullmatch(data, start, end)
        if match is None:
            raise BadMessage(self._status, self._reason)
        return match[1]


# Private


def _is_plain(digits: bytes, data: bytes, end: int) -> bool:
    return 0 < len(digits) <= _MAX_DIGITS and not digits.strip(_HEX) and data[end - 2] == 0x0D
