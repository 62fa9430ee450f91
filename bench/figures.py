"""What was measured, round by round, and what it comes to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is measured; `digits` after the point."""

    title: str
    unit: str
    digits: int = 1


class Row(NamedTuple):
    """One proxy before so many backends."""

    peer: str
    backends: int = 4


FAILED = Figure("failed requests", "", 0)
WAITED = Figure("waited for its core", "%", 1)


@dataclass(slots=True)
class Samples:
    """The readings of one part, in the order of its rounds."""

    readings: dict[Figure, dict[Row, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, row: Row, reading: Mapping[Figure, float]) -> None:
        """One round of one proxy."""
        for figure, value in reading.items():
            self.readings[figure][row].append(value)

    def rows(self, figure: Figure) -> list[Row]:
        """The peers that were measured."""
        return list(self.readings[figure])

    def median(self, figure: Figure, row: Row) -> float:
        return median(self.readings[figure][row])

    def range(self, figure: Figure, row: Row) -> tuple[float, float]:
        """The lowest and the highest."""
        values = self.readings[figure][row]
        return min(values), max(values)

    def ratio(self, figure: Figure, row: Row, base: Row) -> float | None:
        """How `row` stands to `base`: the median of the ratios within each round, in which both had the same machine.

        None where one of them was not measured, or is nought.
        """
        values, bases = self.readings[figure].get(row, []), self.readings[figure].get(base, [])
        ratios = [value / under for value, under in zip(values, bases, strict=False) if under]
        return median(ratios) if ratios else None

    def total(self, figure: Figure) -> float:
        """All rounds of all proxies together."""
        return sum(sum(values) for values in self.readings[figure].values())
