"""A line of the table: pieces of styled text that are made to fit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

Line = list[Segment]
Piece = tuple[str, Style]
GAP = 2
# Without the full block, whose lines would run into each other.
_LEVELS = "▁▂▃▄▅▆▇"
_RECENT = 5
_SIZES = ("B", "kB", "MB", "GB", "TB")
PLAIN = Style.null()
QUIET = Style.parse("dim")
TITLE = Style.parse("bold")
PLACE = Style.parse("cyan")
DRAWN = Style.parse("cyan")
FAINT = Style.parse("dim cyan")
GOOD = Style.parse("green")
UNEASY = Style.parse("yellow")
BAD = Style.parse("red")
SELECTED = Style.parse("reverse")
_PHASES = {"starting": PLACE, "ready": GOOD, "unhealthy": BAD, "maintenance": UNEASY, "draining": UNEASY}


def keep_head(text: str, width: int) -> str:
    """`text` in at most `width` cells, its end cut off."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def keep_tail(text: str, width: int) -> str:
    """`text` in at most `width` cells, its beginning cut off."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) >= width:
        text = text[1 + max(0, cell_len(text) - width) // 2 :]
    return "…" + text if width > 0 else ""


def sentence(pieces: Sequence[Piece], width: int) -> Line:
    """The pieces in a row; the last ones are left out where they do not fit, the first is cut."""
    kept = list(pieces)
    while len(kept) > 1 and length(kept) > width:
        kept.pop()
    line = [Segment(" " * GAP * bool(at) + text, style) for at, (text, style) in enumerate(kept)]
    return clipped(line, width)


def spread(left: Sequence[Piece], right: Piece, width: int) -> Line:
    """A sentence and, at the right margin, one more piece that is never left out."""
    line = sentence(left, width - cell_len(right[0]) - GAP)
    space = max(1, width - cell_len(right[0]) - cells(line))
    return [*line, Segment(" " * space + right[0], right[1])]


def clipped(line: Line, width: int) -> Line:
    """`line` in at most `width` cells, its end cut off."""
    if cells(line) <= width:
        return line
    *kept, last = line
    room = width - cells(kept)
    return [*kept, Segment(keep_head(last.text, room), last.style)] if room > 1 or not kept else clipped(kept, width)


def length(pieces: Sequence[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces) + GAP * (len(pieces) - 1)


def cells(line: Line) -> int:
    return sum(segment.cell_length for segment in line)


def count(number: int) -> str:
    return f"{number:,}"


def figure(number: float | None) -> str:
    """A measured number: one decimal below a hundred, none above, `-` where nothing was measured."""
    if number is None:
        return "-"
    return f"{number:.1f}" if number < 99.95 else f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes, as Docker writes them: `0 B`, `12.3 kB`, `1.2 MB`."""
    unit = 0
    while number >= 999.5 and unit < len(_SIZES) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_SIZES[unit]}" if unit == 0 or number >= 99.95 else f"{number:.1f} {_SIZES[unit]}"


def percent(part: int, whole: int) -> str:
    """`10.1%`; `-` of nothing."""
    if not whole:
        return "-"
    return "100%" if part == whole else f"{100 * part / whole:.1f}%"


def recent(seconds: Sequence[int]) -> float:
    """The mean of the last five seconds at most."""
    last = seconds[-_RECENT:]
    return sum(last) / len(last) if last else 0.0


def bar(part: int, whole: int, width: int) -> str:
    """A line of at most `width` cells for `part` of `whole`, drawn to the half cell."""
    halves = round(2 * width * part / whole) if whole else 0
    return "━" * (halves // 2) + "╸" * (halves % 2)


def sparkline(seconds: Sequence[int], width: int) -> str:
    """The newest `width` values, one cell each; zero alone is drawn lowest."""
    newest = seconds[-width:] if width > 0 else ()
    peak = max(newest, default=0)
    return "".join(_LEVELS[-(-value * (len(_LEVELS) - 1) // peak) if value > 0 else 0] for value in newest)


def of_phase(phase: str) -> Style:
    return _PHASES.get(phase, QUIET)


def of_count(number: float | None) -> Style:
    return PLAIN if number else QUIET
