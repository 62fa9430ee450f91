"""How many replicas a service is to have: a number, or a range within which its load decides."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"(0|[1-9][0-9]{0,8})\.\.([1-9][0-9]{0,8})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class ReplicaRange:
    """From `least` to `most` replicas; a `least` of 0 lets the service sleep."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.least}..{self.most}"

    def within(self, count: int) -> int:
        """The nearest number of replicas that are awake."""
        return min(self.most, max(1, self.least, count))


Scale = int | ReplicaRange


def read_scale(text: str) -> Scale:
    """`10`, or `2..10`. Raises ValueError."""
    if _NUMBER.fullmatch(text):
        return int(text)
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(text)
    least, most = int(match[1]), int(match[2])
    return least if least == most else ReplicaRange(least, most)


def most_of(scale: Scale) -> int:
    """The largest number of replicas that it allows."""
    return scale.most if isinstance(scale, ReplicaRange) else scale


def start_of(scale: Scale, before: int = 0) -> int:
    """How many replicas to begin with, where there were so many `before`."""
    return scale.within(before) if isinstance(scale, ReplicaRange) else scale
