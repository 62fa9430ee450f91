"""Figures, rows and verdicts in words."""

from __future__ import annotations

from bench.figures import FAILED, WAITED, Figure, Row, Samples
from bench.parts.part import Part
from bench.requirements import Verdict

_BUSY_PERCENT = 5


def number(figure: Figure, value: float) -> str:
    """A value with as many digits as it deserves."""
    return f"{value:,.{figure.digits}f}"


def heading(figure: Figure) -> str:
    """The title of a column."""
    return ", ".join(filter(None, (figure.title, figure.unit)))


def name(part: Part, row: Row) -> str:
    """What a row is called in a part."""
    return f"{row.peer}, backends: {row.backends}" if len(part.backends) > 1 else row.peer


def spread(samples: Samples, figure: Figure, row: Row) -> str:
    """The lowest and the highest reading; nothing where there was one only."""
    low, high = (number(figure, value) for value in samples.range(figure, row))
    return "" if low == high else f"{low}-{high}"


def ratio(part: Part, samples: Samples, row: Row) -> str:
    """How a row stands to its base by the first figure of the part."""
    value = samples.ratio(part.figures[0], row, part.base(row))
    return "" if value is None else f"{value:.2f}"


def value(verdict: Verdict) -> str:
    """What was measured."""
    digits = 2 if verdict.requirement.unit == "x" else 0
    return f"{verdict.value:.{digits}f} {verdict.requirement.unit}"


def remarks(samples: Samples) -> list[str]:
    """What a reader of the figures should know."""
    failed = {row: sum(samples.readings[FAILED][row]) for row in samples.rows(FAILED)}
    waited = max((samples.median(WAITED, row) for row in samples.rows(WAITED)), default=0)
    return [
        *(f"{row.peer}: {count:,.0f} requests failed" for row, count in failed.items() if count),
        *([f"busy machine: a proxy waited {waited:.0f} % of the time for its core"] if waited > _BUSY_PERCENT else []),
    ]
