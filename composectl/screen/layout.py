"""Which columns fit a terminal, and how wide each one is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from composectl.balance.snapshot import BackendView
from composectl.screen.line import GAP, Line, keep_head
from composectl.screen.palette import PLAIN, QUIET

NARROW = 40

_WIDEST = 80


@dataclass(frozen=True, slots=True)
class Entry:
    """A backend, with what its requests are a share of and the largest share beside it."""

    backend: BackendView
    service_requests: int
    most_requests: int


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column: what it shows of an entry in some cells' room, and the room it wants.

    `rank` says how early it is left out where room is short, 0 never. Its natural width is that of its longest text
    and at least `floor`; a column with `least` may be made narrower than that.
    """

    heading: str
    rank: int
    text: Callable[[Entry, int], str]
    style: Callable[[Entry], Style] = lambda entry: PLAIN
    left: bool = False
    least: int = _WIDEST
    floor: int = 0
    gap: int = GAP

    def natural(self, entries: Iterable[Entry]) -> int:
        return max(self.floor, cell_len(self.heading), *(cell_len(self.text(entry, _WIDEST)) for entry in entries))


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that fit, each with its width and the gap before it."""

    places: tuple[tuple[Column, int, int], ...]

    @property
    def width(self) -> int:
        return sum(width + gap for _, width, gap in self.places)

    def headings(self) -> Line:
        return [_cell(column, column.heading, QUIET, width, gap) for column, width, gap in self.places]

    def row(self, entry: Entry) -> Line:
        return [
            _cell(column, column.text(entry, width), column.style(entry), width, gap)
            for column, width, gap in self.places
        ]


def fit(columns: Sequence[Column], entries: Sequence[Entry], width: int) -> Layout:
    """Take the columns by rank while they fit at their narrowest, then widen them as far as there is room."""
    gap = 1 if width <= NARROW else GAP
    natural = {column: column.natural(entries) for column in columns}
    always = [column for column in columns if column.rank == 0]
    widths = {column: natural[column] for column in always}
    spare = width - sum(widths.values()) - gap * (len(always) - 1)
    if spare < 0:
        _narrow(widths, -spare)
    else:
        _widen(widths, natural, _take_more(columns, widths, natural, spare, gap))
    return _in_order(columns, widths, gap)


# Private


def _narrow(widths: dict[Column, int], missing: int) -> None:
    for column in widths:
        less = max(0, min(missing, widths[column] - column.least))
        widths[column] -= less
        missing -= less


def _take_more(
    columns: Iterable[Column], widths: dict[Column, int], natural: dict[Column, int], spare: int, gap: int
) -> int:
    """Put columns into `widths` until one does not fit; what is left of the spare cells."""
    for column in sorted((column for column in columns if column not in widths), key=lambda column: column.rank):
        least = min(natural[column], column.least)
        needed = least + min(gap, column.gap)
        if needed > spare:
            break
        widths[column] = least
        spare -= needed
    return spare


def _widen(widths: dict[Column, int], natural: dict[Column, int], spare: int) -> None:
    for column in widths:
        more = min(natural[column] - widths[column], spare)
        widths[column] += more
        spare -= more


def _in_order(columns: Iterable[Column], widths: dict[Column, int], gap: int) -> Layout:
    kept = [column for column in columns if column in widths]
    return Layout(tuple((column, widths[column], min(gap, column.gap) if at else 0) for at, column in enumerate(kept)))


def _cell(column: Column, text: str, style: Style, width: int, gap: int) -> Segment:
    text = keep_head(text, width)
    padding = " " * (width - cell_len(text))
    return Segment(" " * gap + (text + padding if column.left else padding + text), style)
