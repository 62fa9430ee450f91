"""A line of the table: pieces of styled text that are made to fit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

Line = list[Segment]
Piece = tuple[str, Style]

GAP = 2


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
    """The cells that the pieces take in a row."""
    return sum(cell_len(text) for text, _ in pieces) + GAP * (len(pieces) - 1)


def cells(line: Line) -> int:
    """The cells that a line takes."""
    return sum(segment.cell_length for segment in line)
