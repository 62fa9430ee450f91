"""Latencies in log-spaced buckets: integer arithmetic to record, percentiles within 12.5 %."""

from __future__ import annotations

_STEPS = 8  # buckets per doubling
_BUCKETS = 32 * _STEPS  # up to 2**32 us, over an hour


class Latency:
    """Counts of durations in microseconds."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS

    def record(self, microseconds: int) -> None:
        """Count one duration; anything over an hour counts as the longest."""
        exponent = microseconds.bit_length()
        index = microseconds if exponent < 4 else ((exponent - 3) << 3) + ((microseconds >> (exponent - 4)) & 7)
        self.counts[index if index < _BUCKETS else _BUCKETS - 1] += 1

    def percentile(self, percent: float) -> float | None:
        """The duration in milliseconds that `percent` % of the requests did not exceed; None without requests."""
        total = sum(self.counts)
        if not total:
            return None
        rank = max(1, -(-total * percent // 100))
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if seen >= rank:
                return _upper_bound(index) / 1000
        raise AssertionError("the counts add up to their total")


# Private


def _upper_bound(index: int) -> int:
    """The longest duration, in microseconds, that falls into bucket `index`."""
    if index < _STEPS:
        return index
    doubling, step = divmod(index, _STEPS)
    return ((_STEPS + step + 1) << (doubling - 1)) - 1
