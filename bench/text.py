"""The figures as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from bench import wording
from bench.figures import Row, Samples
from bench.parts.part import Part
from bench.requirements import Verdict


def table(part: Part, samples: Samples) -> str:
    """The medians of one part, the range of its first figure, and its ratios."""
    lines = [[part.title, *map(wording.heading, part.figures), "range", "ratio"]]
    lines += [_line(part, samples, row) for row in samples.rows(part.figures[0])]
    return "\n".join([*_aligned(lines), *wording.remarks(samples)])


def verdict_lines(verdicts: Sequence[Verdict]) -> str:
    """One line for each requirement."""
    return "\n".join(
        _aligned([[_text(verdict), wording.value(verdict), verdict.limit, _mark(verdict)] for verdict in verdicts])
    )


# Private


def _line(part: Part, samples: Samples, row: Row) -> list[str]:
    return [
        wording.name(part, row),
        *(wording.number(figure, samples.median(figure, row)) for figure in part.figures),
        wording.spread(samples, part.figures[0], row),
        wording.ratio(part, samples, row),
    ]


def _text(verdict: Verdict) -> str:
    return verdict.requirement.text


def _mark(verdict: Verdict) -> str:
    return "met" if verdict.met else "NOT MET"


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [_padded(line, widths) for line in lines]


def _padded(line: list[str], widths: list[int]) -> str:
    first, *others = line
    return "  ".join(
        [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
    )
