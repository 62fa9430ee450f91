"""Requests per second over the last minute, from one sample a second."""

from collections import deque

_MINUTE = 60
_RECENT = 5


class Rate:
    """The history of one counter, sampled once a second."""

    __slots__ = ("_last", "_seconds")

    def __init__(self) -> None:
        self._last = 0
        self._seconds: deque[int] = deque(maxlen=_MINUTE)

    def sample(self, count: int) -> None:
        """Take the counter's value; to be called once a second."""
        self._seconds.append(count - self._last)
        self._last = count

    @property
    def minute(self) -> tuple[int, ...]:
        """Requests in each of the last 60 seconds at most, newest last."""
        return tuple(self._seconds)

    @property
    def recent(self) -> float:
        """Requests per second over the last five seconds at most."""
        seconds = self.minute[-_RECENT:]
        return sum(seconds) / len(seconds) if seconds else 0.0
