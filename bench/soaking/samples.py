"""What the proxy held meanwhile, and whether it stayed so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

_WARM_UP = 0.2
_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """`at` in seconds since the start, memory in MiB."""

    at: float
    memory: float
    descriptors: float


@dataclass(frozen=True, slots=True)
class Drift:
    """The medians of the first and of the last third, after the warm-up."""

    first: float
    last: float

    @property
    def share(self) -> float:
        """How much of the first the last is more."""
        return self.last / self.first - 1

    @property
    def is_flat(self) -> bool:
        return abs(self.last - self.first) <= self.first * _TOLERANCE


def mean(readings: Sequence[Held]) -> Held:
    """One sample out of some readings, at the time of the last."""
    memory = fmean(reading.memory for reading in readings)
    descriptors = fmean(reading.descriptors for reading in readings)
    return Held(readings[-1].at, memory, descriptors)


def drift(values: Sequence[float]) -> Drift:
    """Of at least four values, evenly spaced in time."""
    warm = values[int(len(values) * _WARM_UP) :]
    third = len(warm) // 3
    return Drift(median(warm[:third]), median(warm[-third:]))
