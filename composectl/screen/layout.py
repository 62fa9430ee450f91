"""Which columns fit a terminal, and how wide each one is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from composectl.balance.snapshot import BackendView
from composectl.sanitize import sanitize
from composectl.screen.text import (
    BAD,
    DRAWN,
    GAP,
    PLAIN,
    QUIET,
    SELECTED,
    Line,
    bar,
    count,
    figure,
    keep_head,
    keep_tail,
    of_count,
    of_phase,
    percent,
    size,
)

NARROW = 40
_WIDEST = 80
_BAR = 10
_PHASE = len("starting")
HEADER = 2
HEADING = 1
_ROOMY = 14


@dataclass(frozen=True, slots=True)
class TableRow:
    """A backend, with the number of its requests, or connections, what it is a share of, and the largest beside it.

    `is_selected`: whether keys are about it; None where there are no keys.
    """

    backend: BackendView
    count: int
    total: int
    most: int
    is_selected: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column: its text and style for a row.

    `rank` says how early it is left out where room is short, 0 never. Its natural width is that of its longest text
    and at least `floor`; a column with `least` may be made narrower than that.
    """

    heading: str
    rank: int
    text: Callable[[TableRow, int], str]
    style: Callable[[TableRow], Style] = lambda row: PLAIN
    left: bool = False
    least: int = _WIDEST
    floor: int = 0
    gap: int = GAP

    def natural(self, rows: Iterable[TableRow]) -> int:
        return max(self.floor, cell_len(self.heading), *(cell_len(self.text(row, _WIDEST)) for row in rows))


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that fit, each with its width and the gap before it."""

    places: tuple[tuple[Column, int, int], ...]

    @property
    def width(self) -> int:
        return sum(width + gap for _, width, gap in self.places)

    def headings(self) -> Line:
        return [_cell(column, column.heading, QUIET, width, gap) for column, width, gap in self.places]

    def row(self, row: TableRow) -> Line:
        return [
            _cell(column, column.text(row, width), SELECTED if row.is_selected else column.style(row), width, gap)
            for column, width, gap in self.places
        ]


def fit(columns: Sequence[Column], rows: Sequence[TableRow], width: int) -> Layout:
    """Take the columns by rank while they fit at their narrowest, then widen them as far as there is room."""
    gap = 1 if width <= NARROW else GAP
    natural = {column: column.natural(rows) for column in columns}
    narrowest = {column: min(column.least, natural[column]) for column in columns}
    widths = {column: natural[column] for column in columns if column.rank == 0}
    spare = width - sum(widths.values()) - gap * (len(widths) - 1)
    if spare < 0:
        _resize(widths, narrowest, -spare)
    else:
        for column in sorted((column for column in columns if column.rank), key=lambda column: column.rank):
            needed = narrowest[column] + min(gap, column.gap)
            if needed > spare:
                break
            widths[column] = narrowest[column]
            spare -= needed
        _resize(widths, natural, spare)
    kept = [column for column in columns if column in widths]
    return Layout(tuple((column, widths[column], min(gap, column.gap) if at else 0) for at, column in enumerate(kept)))


def marker(is_selected: bool | None) -> str:
    """What stands before what can be chosen: it is seen without colour, too."""
    return "" if is_selected is None else ">" if is_selected else " "


def errors(row: TableRow) -> int:
    """The requests that failed, and those answered with a 5xx."""
    return row.backend.failed + row.backend.responses.get("5xx", 0)


def _count_style(row: TableRow) -> Style:
    return of_count(row.count)


def _phase_style(row: TableRow) -> Style:
    return of_phase(row.backend.phase)


def _share_bar(row: TableRow, width: int) -> str:
    return bar(row.count, row.most, min(width, _BAR))


def _measured(
    heading: str, rank: int, value: Callable[[BackendView], Any], text: Callable[[Any], str] = figure
) -> Column:
    return Column(heading, rank, lambda row, _: text(value(row.backend)), lambda row: of_count(value(row.backend)))


_NUMBER = Column("#", 0, lambda row, _: f"{marker(row.is_selected)}{row.backend.number}", lambda row: QUIET)
_NAME = Column("name", 3, lambda row, width: keep_tail(sanitize(row.backend.name), width), left=True, least=16)
_ADDRESS = Column("address", 8, lambda row, _: sanitize(row.backend.address), left=True)
_NODE = Column("node", 5, lambda row, width: keep_tail(sanitize(row.backend.node), width), left=True, least=8)
_STATE = Column("phase", 0, lambda row, _: sanitize(row.backend.phase), _phase_style, left=True, least=5, floor=_PHASE)
_SHARE = Column("share", 5, lambda row, _: percent(row.count, row.total), _count_style)
_DRAWN_SHARE = Column("", 7, _share_bar, lambda row: DRAWN, left=True, least=4, floor=_BAR, gap=1)
_ERRORS = Column("errors", 4, lambda row, _: count(errors(row)), lambda row: BAD if errors(row) else QUIET)
_OF_REQUESTS = (
    *(_NUMBER, _NAME, _NODE, _ADDRESS, _STATE),
    _measured("in flight", 2, lambda backend: backend.in_flight, count),
    Column("requests", 0, lambda row, _: count(row.count), _count_style),
    *(_SHARE, _DRAWN_SHARE),
    _measured("req/s", 1, lambda backend: backend.requests_per_second),
    _ERRORS,
    _measured("p50 ms", 9, lambda backend: backend.p50_ms),
    _measured("p95 ms", 6, lambda backend: backend.p95_ms),
)
_OF_CONNECTIONS = (
    *(_NUMBER, _NAME, _NODE, _ADDRESS, _STATE),
    _measured("open", 2, lambda backend: backend.connections, count),
    Column("connections", 0, lambda row, _: count(row.count), _count_style),
    *(_SHARE, _DRAWN_SHARE),
    _measured("received/s", 1, lambda backend: backend.bytes_received_per_second, size),
    _measured("sent/s", 1, lambda backend: backend.bytes_sent_per_second, size),
    _ERRORS,
)


def columns_for(rows: Sequence[TableRow], *, by_connection: bool = False) -> Sequence[Column]:
    """Those of a service, but for the addresses where backends are named by them, and for the nodes outside a swarm."""
    are_named = any(row.backend.name != row.backend.address for row in rows)
    have_nodes = any(row.backend.node for row in rows)
    left_out = {_ADDRESS: not are_named, _NODE: not have_nodes}
    columns = _OF_CONNECTIONS if by_connection else _OF_REQUESTS
    return [column for column in columns if not left_out.get(column)]


@dataclass(frozen=True, slots=True)
class ServiceLines:
    """The lines of one service: its rows, changes, reasons and notices, and whether blank lines part them."""

    rows: int
    changes: int
    spaced: bool
    waiting: int = 0
    notices: int = 0


def lines_needed(rows: int, changes: int, waiting: int = 0, notices: int = 0) -> int:
    """The lines that a service takes when nothing is left out; `waiting`: those of why replicas are not ready."""
    return HEADER + notices + 1 + HEADING + max(1, rows) + sum(1 + part for part in (changes, waiting) if part)


def split_lines(lines: int, wants: Sequence[int], first: int | None = None) -> list[int]:
    """Equal parts of `lines`; what a part does not need goes to the others. Of too few, the part `first` gets half."""
    if first is not None and len(wants) > 1 and sum(wants) > lines:
        part = min(wants[first], max(lines // 2, lines // len(wants)))
        parts = split_lines(lines - part, [*wants[:first], *wants[first + 1 :]])
        return [*parts[:first], part, *parts[first:]]
    parts = [0] * len(wants)
    for done, index in enumerate(sorted(range(len(wants)), key=wants.__getitem__)):
        parts[index] = min(wants[index], lines // (len(wants) - done))
        lines -= parts[index]
    return parts


def fit_rows(lines: int, rows: int, changes: int, waiting: int = 0, notices: int = 0) -> ServiceLines:
    """What to show in `lines` lines: changes only where every row fits, or in a quarter of what is too short anyway.

    Notices get up to a quarter of it, and reasons why replicas are not ready up to half of the rest.
    """
    if lines >= lines_needed(rows, changes, waiting, notices):
        return ServiceLines(rows, changes, spaced=True, waiting=waiting, notices=notices)
    if notices:
        kept = min(notices, lines // 4)
        return replace(fit_rows(lines - kept, rows, changes, waiting), notices=kept)
    if waiting:
        kept = min(waiting, max(0, lines - HEADER - HEADING) // 2)
        return replace(fit_rows(lines - kept - bool(kept), rows, changes), waiting=kept)
    spaced = lines >= _ROOMY
    spare = lines - HEADER - HEADING - spaced
    kept = max(0, min(changes, (spare - rows if rows <= spare else spare // 4) - spaced))
    space = spare - (kept + spaced if kept else 0)
    return ServiceLines(rows if rows <= space else max(0, space - 1), kept, spaced)


# Private


def _resize(widths: dict[Column, int], goals: Mapping[Column, int], cells: int) -> None:
    """Bring one width after the other closer to its goal, by at most `cells` in all."""
    for column, width in widths.items():
        step = min(cells, abs(goals[column] - width))
        widths[column] += step if goals[column] > width else -step
        cells -= step


def _cell(column: Column, text: str, style: Style, width: int, gap: int) -> Segment:
    text = keep_head(text, width)
    padding = " " * (width - cell_len(text))
    return Segment(" " * gap + (text + padding if column.left else padding + text), style)
