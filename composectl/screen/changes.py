"""The last changes of a service, one line each."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment

from composectl.balance.snapshot import ChangeView
from composectl.screen import palette
from composectl.screen.clock import time_of_day
from composectl.screen.harmless import harmless
from composectl.screen.layout import NARROW
from composectl.screen.line import Line, clipped, keep_tail

_LONGEST_NAME = 30
_MOVE = len("starting -> ready")


def change_lines(changes: Sequence[ChangeView], width: int) -> list[Line]:
    """The changes in columns; a narrow terminal gets time, number and new phase only."""
    if width <= NARROW:
        return [clipped(_short(change), width) for change in changes]
    names = [keep_tail(harmless(change.name), _LONGEST_NAME) for change in changes]
    widest = max(map(cell_len, names), default=0)
    return [
        clipped(_long(change, set_cell_size(name, widest)), width) for change, name in zip(changes, names, strict=True)
    ]


# Private


def _long(change: ChangeView, name: str) -> Line:
    before, after = harmless(change.before), harmless(change.after)
    padding = " " * (_MOVE - len(f"{before} -> {after}"))
    return [
        _time(change),
        Segment(f"{name}  "),
        Segment(before, palette.of_phase(before)),
        Segment(" -> ", palette.QUIET),
        Segment(after, palette.of_phase(after)),
        Segment(f"{padding}  {harmless(change.why)}", palette.QUIET),
    ]


def _short(change: ChangeView) -> Line:
    after = harmless(change.after)
    return [_time(change), Segment(f"{change.number} "), Segment(after, palette.of_phase(after))]


def _time(change: ChangeView) -> Segment:
    return Segment(f"{time_of_day(change.at)}  ", palette.QUIET)
