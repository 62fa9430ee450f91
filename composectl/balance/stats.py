"""Latencies in log-spaced buckets: integer arithmetic to record, percentiles within 12.5 %."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

_STEPS: Final = 8  # buckets per doubling
_BUCKETS: Final = 32 * _STEPS  # up to 2**32 us, over an hour
# Where the buckets of a histogram end, in microseconds: powers of two, each the end of a finer bucket, too
HISTOGRAM: Final = tuple(2**exponent for exponent in (*range(9, 21), 22, 24))
_ENDS: Final = [(bound.bit_length() - 3) * _STEPS for bound in HISTOGRAM]


class Latency:
    """Counts of durations in microseconds, and their `total`."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.total = 0

    def record(self, microseconds: int) -> None:
        """Count one duration; anything over an hour counts as the longest."""
        exponent = microseconds.bit_length()
        index = microseconds if exponent < 4 else ((exponent - 3) << 3) + ((microseconds >> (exponent - 4)) & 7)
        self.counts[index if index < _BUCKETS else _BUCKETS - 1] += 1
        self.total += microseconds

    def since(self, before: Sequence[int]) -> dict[int, int]:
        """What was added to `counts` after they were `before`, by their places."""
        pairs = zip(self.counts, before, strict=True)
        return {place: now - then for place, (now, then) in enumerate(pairs) if now != then}

    def add(self, counts: Mapping[int, int], total: int) -> None:
        """Add counts by their places, and the sum of their durations."""
        for place, count in counts.items():
            self.counts[place] += count
        self.total += total

    def percentiles(self, *percents: float) -> list[float | None]:
        """The durations in milliseconds that so many % of the requests did not exceed; None without requests."""
        total = sum(self.counts)
        if not total:
            return [None for _ in percents]
        return [self._at(max(1, -(-total * percent // 100))) for percent in percents]

    def histogram(self) -> list[int]:
        """How many durations were below each bound of `HISTOGRAM`, and at or above the one before; the rest at last."""
        return [sum(self.counts[first:end]) for first, end in zip([0, *_ENDS], [*_ENDS, _BUCKETS], strict=True)]

    # Private

    def _at(self, rank: float) -> float:
        """The longest duration, in milliseconds, of the bucket that has the duration of this rank."""
        index = -1
        while rank > 0:
            index += 1
            rank -= self.counts[index]
        if index < _STEPS:
            return index / 1000
        doubling, step = divmod(index, _STEPS)
        return (((_STEPS + step + 1) << (doubling - 1)) - 1) / 1000


def percentiles_of(histogram: Sequence[int], bounds: Sequence[float], *percents: float) -> list[float | None]:
    """The durations that so many % did not exceed, linear within the bounds; None without any.

    `histogram` counts those below each of `bounds`, and at last those above. These are taken to be at the last bound.
    """
    total = sum(histogram)
    if not total:
        return [None for _ in percents]
    return [_interpolated(histogram, bounds, total * percent / 100) for percent in percents]


class Rate:
    """The history of one counter, sampled once a second."""

    __slots__ = ("_last", "_seconds")

    def __init__(self) -> None:
        self._last = 0
        self._seconds: deque[int] = deque(maxlen=60)

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
        seconds = self.minute[-5:]
        return sum(seconds) / len(seconds) if seconds else 0.0


# Private


def _interpolated(histogram: Sequence[int], bounds: Sequence[float], rank: float) -> float:
    lower = 0.0
    for count, upper in zip(histogram, bounds, strict=False):
        if rank <= count:
            return round(lower + (upper - lower) * rank / count, 3)
        rank -= count
        lower = upper
    return lower
