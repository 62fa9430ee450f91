"""The live table: a snapshot as lines of styled text that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.segment import Segment, Segments

from composectl.balance.snapshot import ServiceView, Snapshot
from composectl.screen.block import furnished, lines_wanted
from composectl.screen.clock import time_of_day, uptime
from composectl.screen.columns import columns_for
from composectl.screen.layout import fit
from composectl.screen.line import Line, clipped
from composectl.screen.palette import BAD, QUIET
from composectl.screen.room import divide

_AIRY_SERVICE = 8


def render_table(snapshot: Snapshot, *, now: float, width: int, height: int | None) -> RenderableType:
    """The table in `width` cells and at most `height` lines (None: as many as it takes); `now` in epoch seconds."""
    lines = _stale(snapshot, now, width)[:height]
    room = None if height is None else height - len(lines)
    if room != 0:
        lines += _lines(snapshot.services, now, width, room)
    return Segments([segment for line in lines for segment in (*line, Segment.line())])


# Private


def _stale(snapshot: Snapshot, now: float, width: int) -> list[Line]:
    since = snapshot.stale_since
    if since is None:
        return []
    words = f"engine unreachable since {time_of_day(since)}, for {uptime(since, now)}: who runs may have changed"
    return [clipped([Segment(words, BAD)], width)]


def _lines(services: Sequence[ServiceView], now: float, width: int, height: int | None) -> list[Line]:
    if height is None:
        height = sum(lines_wanted(service) + 1 for service in services)
    if len(services) > height:
        return [*_lines(services[: height - 1], now, width, height - 1), _more_services(len(services) - height + 1)]
    between = 1 if height >= _AIRY_SERVICE * len(services) else 0
    rooms = divide(height - between * (len(services) - 1), [lines_wanted(service) for service in services])
    blocks = [furnished(service, room) for service, room in zip(services, rooms, strict=True)]
    entries = [entry for block in blocks for entry in block.entries]
    layout = fit(columns_for(entries), entries, width)
    return _stack([block.lines(layout, now, width)[:room] for block, room in zip(blocks, rooms, strict=True)], between)


def _stack(blocks: Sequence[list[Line]], between: int) -> list[Line]:
    lines: list[Line] = []
    for block in blocks:
        lines += [[]] * between * bool(lines) + block
    return lines


def _more_services(number: int) -> Line:
    return [Segment(f"... {number} more services", QUIET)]
