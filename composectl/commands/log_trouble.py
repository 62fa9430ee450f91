"""What the access log could not write, told once in a while."""

from __future__ import annotations

from composectl.proxy.access_log import AccessLog

_EVERY = 60


class LogTrouble:
    """Looks at the log once a second; `every` so many seconds at most there are news."""

    def __init__(self, log: AccessLog, every: int = _EVERY) -> None:
        self._log = log
        self._every = every
        self._since = every
        self._told: tuple[int, str] = (0, "")

    def news(self) -> str:
        """A sentence, or nothing."""
        self._since += 1
        dropped, why = now = (self._log.dropped, self._log.complaint)
        if now == self._told or self._since <= self._every:
            return ""
        lines = dropped - self._told[0]
        self._told, self._since = now, 0
        return f"access log: {_lines(lines)}{why or 'whoever reads it is too slow'}"


# Private


def _lines(count: int) -> str:
    return "" if not count else "1 line dropped: " if count == 1 else f"{count:,} lines dropped: "
