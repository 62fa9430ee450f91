"""What a service has to do, as time integrals: those of several processes add up, and samples would not."""

from __future__ import annotations

from collections.abc import Mapping


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


class CpuMeter:
    """Adds up the CPU time that replicas use: `integral` is in seconds, of those that each may use."""

    __slots__ = ("_last", "integral")

    def __init__(self) -> None:
        self.integral = 0.0
        self._last: Mapping[str, float] = {}

    def read(self, used: Mapping[str, float]) -> None:
        """Take what each has used since its start, by id; of a new one, what it uses from now on counts."""
        last = self._last
        self.integral += sum(max(0.0, seconds - last[id_]) for id_, seconds in used.items() if id_ in last)
        self._last = dict(used)
