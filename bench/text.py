"""The figures as text for a terminal."""

from __future__ import annotations

from bench.figures import FAILED, WAITED, Figure, Row, Samples
from bench.parts.part import Part

_BUSY_PERCENT = 5


def table(part: Part, samples: Samples) -> str:
    """The medians of one part, the range of its first figure, and its ratios."""
    lines = [[part.title, *map(_heading, part.figures), "range", "ratio"]]
    lines += [_line(part, samples, row) for row in samples.rows(part.figures[0])]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join([*(_aligned(line, widths) for line in lines), *_remarks(samples)])


def number(figure: Figure, value: float) -> str:
    """A value with as many digits as it deserves."""
    return f"{value:,.{figure.digits}f}"


def name(part: Part, row: Row) -> str:
    """What a row is called in a part."""
    return f"{row.peer}, {row.backends} backends" if len(part.backends) > 1 else row.peer


# Private


def _heading(figure: Figure) -> str:
    return f"{figure.title} {figure.unit}".strip()


def _line(part: Part, samples: Samples, row: Row) -> list[str]:
    first = part.figures[0]
    low, high = samples.range(first, row)
    ratio = samples.ratio(first, row, part.base(row))
    return [
        name(part, row),
        *(number(figure, samples.median(figure, row)) for figure in part.figures),
        f"{number(first, low)}-{number(first, high)}",
        "" if ratio is None else f"{ratio:.2f}",
    ]


def _aligned(line: list[str], widths: list[int]) -> str:
    first, *others = line
    return "  ".join(
        [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
    )


def _remarks(samples: Samples) -> list[str]:
    failed = samples.total(FAILED)
    waited = max((samples.median(WAITED, row) for row in samples.rows(WAITED)), default=0)
    return [
        *([f"{failed:.0f} requests failed"] if failed else []),
        *(
            [f"the machine was busy: a proxy waited {waited:.0f} % of the time for its core"]
            if waited > _BUSY_PERCENT
            else []
        ),
    ]
