"""What a service has to do, as a time integral: those of several processes add up, and samples would not."""

from __future__ import annotations


class LoadMeter:
    """Adds up what is in flight and queued over time: `integral` is in request-seconds.

    Of what began and ended between two samples, it has as much as was there when a sample was taken, so that the
    samples are to be taken at uneven intervals.
    """

    __slots__ = ("_at", "_load", "integral")

    def __init__(self) -> None:
        self.integral = 0.0
        self._at = 0.0
        self._load = 0

    def sample(self, at: float, load: int) -> None:
        """Take what is there `at` this moment, in seconds of one clock."""
        if self._at:
            self.integral += (at - self._at) * (self._load + load) / 2
        self._at, self._load = at, load
