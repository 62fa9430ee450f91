"""What keys add to the table: the line at its foot, the logs below it, and the list of keys in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from composectl.sanitize import sanitize
from composectl.screen.text import BAD, FAINT, PLAIN, QUIET, TITLE, UNEASY, Line, Piece, clipped, keep_tail, sentence
from composectl.screen.view import KEYS, Pane, View

_LEAST_LINES = 3
_LONGEST_MESSAGE = 3  # lines
_PROMPT = len("filter: _")
_HINTS = (
    ("? keys", QUIET),
    ("+ - scale", QUIET),
    ("d drain", QUIET),
    ("r roll out", QUIET),
    ("l L logs", QUIET),
    ("s sort", QUIET),
    ("/ filter", QUIET),
)


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line of a container's log; `after_gap`: lines before it were left out."""

    source: str
    text: str
    after_gap: bool = False


def foot(view: View, now: float, width: int) -> list[Line]:
    """What is asked, else what was told last, else what keys there are; `now` in epoch seconds."""
    if view.is_typing:
        typed = keep_tail(sanitize(view.filter), max(1, width - _PROMPT))
        return [clipped([Segment("filter: ", QUIET), Segment(f"{typed}_")], width)]
    if view.question is not None and now < view.question.until:
        return _wrapped(view.question.text, UNEASY + TITLE, width)
    if view.message is not None and now < view.message.until:
        return _wrapped(view.message.text, BAD if view.message.is_error else PLAIN, width)
    return [sentence([*_state(view), *_HINTS, ("q stop" if view.ends else "q leave", QUIET)], width)]


def help_lines(view: View, width: int) -> list[Line]:
    """All keys, and what each does."""
    ends = "stop composectl and the replicas, as Ctrl-C does"
    keys = [*KEYS, ("q", ends if view.ends else "leave the table; composectl keeps running")]
    widest = max(len(names) for names, _ in keys)
    lines = [[Segment(f"{names:{widest}}", TITLE), Segment(f"  {meaning}")] for names, meaning in keys]
    return [clipped(line, width) for line in [*lines, [], [Segment("any key goes back", QUIET)]]]


def pane_height(height: int, table: int) -> int:
    """The lines of a pane below a table that would take `table` of `height` lines: half of them, and what is free."""
    return max(min(_LEAST_LINES, height), height // 2, height - table)


def pane_lines(pane: Pane, log: Sequence[PrintedLine], width: int, height: int) -> list[Line]:
    """The pane in `height` lines: a title, and the last lines of the log, or earlier ones where it is scrolled."""
    rows = height - 1
    scroll = min(pane.scroll, max(0, len(log) - rows))
    shown = log[max(0, len(log) - scroll - rows) : len(log) - scroll] if rows > 0 else ()
    widest = max((cell_len(sanitize(line.source)) for line in shown), default=0) if pane.number is None else 0
    lines = [clipped(_log_line(line, widest), width) for line in shown]
    if not log:
        lines = [[Segment("nothing is printed yet", QUIET)]] if rows > 0 else []
    below = f"  {scroll} below: page down" if scroll else ""
    title = f"logs of {sanitize(pane.title)}{below} "
    rule = "-" * max(0, width - cell_len(title))
    return [clipped([Segment(title, TITLE), Segment(rule, FAINT)], width), *lines]


# Private


def _wrapped(text: str, style: Style, width: int) -> list[Line]:
    lines = wrap(sanitize(text), max(1, width), max_lines=_LONGEST_MESSAGE, placeholder="…")
    return [clipped([Segment(line, style)], width) for line in lines] or [[]]


def _state(view: View) -> list[Piece]:
    """What is other than at first."""
    state = [(f"filter: {sanitize(view.filter)}", UNEASY)] if view.filter else []
    return state + ([(f"by {view.sort}", PLAIN)] if view.sort != "number" else [])


def _log_line(line: PrintedLine, widest: int) -> Line:
    source = [Segment(f"{sanitize(line.source):{widest}} | ", FAINT)] if widest else []
    gap = [Segment("... ", UNEASY)] if line.after_gap else []
    return [*source, *gap, Segment(sanitize(line.text))]
