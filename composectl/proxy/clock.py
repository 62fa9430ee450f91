"""The seconds since the start, counted by the sweep: a clock that costs the hot path nothing."""

from __future__ import annotations


class Clock:
    """`tick` is the number of whole seconds."""

    __slots__ = ("tick",)

    def __init__(self) -> None:
        self.tick = 0
