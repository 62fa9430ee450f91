"""The live table: a snapshot as lines of styled text that fit the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.segment import Segment, Segments

from composectl.balance.snapshot import BackendView, ChangeView, ServiceView, Snapshot
from composectl.sanitize import sanitize
from composectl.screen.console import time_of_day, uptime
from composectl.screen.layout import (
    NARROW,
    Layout,
    ServiceLines,
    TableRow,
    columns_for,
    fit,
    fit_rows,
    lines_needed,
    split_lines,
)
from composectl.screen.text import (
    BAD,
    FAINT,
    GAP,
    GOOD,
    PLACE,
    PLAIN,
    QUIET,
    TITLE,
    UNEASY,
    Line,
    Piece,
    clipped,
    count,
    figure,
    keep_tail,
    length,
    of_phase,
    recent,
    sentence,
    sparkline,
    spread,
)

_AIRY_SERVICE = 8
_CHANGES = 5
_MINUTE = 60
_SHORTEST_SPARKLINE = 6
_LONGEST_NAME = 30
_MOVE = len("starting -> ready")


def render_table(snapshot: Snapshot, *, now: float, width: int, height: int | None) -> RenderableType:
    """The table in `width` cells and at most `height` lines (None: as many as it takes); `now` in epoch seconds."""
    lines = _stale(snapshot, now, width)[:height]
    room = None if height is None else height - len(lines)
    if room != 0:
        lines += _lines(snapshot.services, now, width, room)
    return Segments([segment for line in lines for segment in (*line, Segment.line())])


@dataclass(frozen=True, slots=True)
class ServiceBlock:
    """A service in the room that it has got: the entries that are shown, and the backends that are left out."""

    service: ServiceView
    room: ServiceLines
    entries: tuple[TableRow, ...]
    left_out: tuple[BackendView, ...]

    def lines(self, layout: Layout, now: float, width: int) -> list[Line]:
        changes = self.service.changes[-self.room.changes :] if self.room.changes else ()
        lines = header(self.service, now, min(width, layout.width))
        for part in (self._backends(layout, width), change_lines(changes, width)):
            lines += [[], *part] if part and self.room.spaced else part
        return lines

    def _backends(self, layout: Layout, width: int) -> list[Line]:
        if not self.service.backends:
            return [[Segment("no replica yet", QUIET)]]
        rows = [layout.row(entry) for entry in self.entries]
        return [*([layout.headings()] if rows else []), *rows, *_others(self.left_out, len(rows), width)]


def block_lines_needed(service: ServiceView) -> int:
    """The lines that `service` takes when nothing is left out."""
    return lines_needed(len(service.backends), len(service.changes[-_CHANGES:]))


def fit_block(service: ServiceView, lines: int) -> ServiceBlock:
    """The block of `service` for `lines` lines, its backends by number."""
    room = fit_rows(lines, len(service.backends), len(service.changes[-_CHANGES:]))
    backends = sorted(service.backends, key=lambda backend: (backend.number, backend.since))
    requests = [backend.requests for backend in backends]
    total, most = sum(requests), max(requests, default=0)
    entries = tuple(TableRow(backend, total, most) for backend in backends[: room.rows])
    return ServiceBlock(service, room, entries, tuple(backends[room.rows :]))


def header(service: ServiceView, now: float, width: int) -> list[Line]:
    return [_who(service, now, width), _how(service, width)]


def change_lines(changes: Sequence[ChangeView], width: int) -> list[Line]:
    """The changes in columns; a narrow terminal gets time, number and new phase only."""
    if width <= NARROW:
        return [clipped(_short(change), width) for change in changes]
    names = [keep_tail(sanitize(change.name), _LONGEST_NAME) for change in changes]
    widest = max(map(cell_len, names), default=0)
    return [
        clipped(_long(change, set_cell_size(name, widest)), width) for change, name in zip(changes, names, strict=True)
    ]


# Private


def _stale(snapshot: Snapshot, now: float, width: int) -> list[Line]:
    since = snapshot.stale_since
    if since is None:
        return []
    words = f"engine unreachable since {time_of_day(since)}, for {uptime(since, now)}: who runs may have changed"
    return [clipped([Segment(words, BAD)], width)]


def _lines(services: Sequence[ServiceView], now: float, width: int, height: int | None) -> list[Line]:
    if height is None:
        height = sum(block_lines_needed(service) + 1 for service in services)
    if len(services) > height:
        return [
            *_lines(services[: height - 1], now, width, height - 1),
            [Segment(f"... {len(services) - height + 1} more services", QUIET)],
        ]
    between = 1 if height >= _AIRY_SERVICE * len(services) else 0
    rooms = split_lines(height - between * (len(services) - 1), [block_lines_needed(service) for service in services])
    blocks = [fit_block(service, room) for service, room in zip(services, rooms, strict=True)]
    entries = [entry for block in blocks for entry in block.entries]
    layout = fit(columns_for(entries), entries, width)
    return _stack([block.lines(layout, now, width)[:room] for block, room in zip(blocks, rooms, strict=True)], between)


def _stack(blocks: Sequence[list[Line]], between: int) -> list[Line]:
    lines: list[Line] = []
    for block in blocks:
        lines += [[]] * between * bool(lines) + block
    return lines


def _others(left_out: Iterable[BackendView], shown: int, width: int) -> list[Line]:
    phases = Counter(sanitize(backend.phase) for backend in left_out)
    if not phases:
        return []
    more = f"{phases.total()} more" if shown else f"{phases.total()} backends"
    summary = ", ".join(f"{number} {phase}" for phase, number in phases.most_common())
    return [clipped([Segment(f"... {more}: {summary}", QUIET)], width)]


def _who(service: ServiceView, now: float, width: int) -> Line:
    listeners = [(sanitize(listener), PLACE) for listener in service.listeners]
    up = (f"up {uptime(service.since, now)}", QUIET)
    policy = (sanitize(service.policy), QUIET)
    return spread([(sanitize(service.service), TITLE), *listeners, up, policy], _readiness(service), width)


def _readiness(service: ServiceView) -> Piece:
    ready = sum(backend.phase == "ready" for backend in service.backends)
    if ready >= service.desired:
        return f"{ready}/{service.desired} ready", GOOD
    return f"{ready}/{service.desired} ready", UNEASY if ready else BAD


def _how(service: ServiceView, width: int) -> Line:
    rate = (f"{figure(recent(service.last_minute))}/s", PLAIN)
    requests = (f"{count(service.totals.requests)} requests", PLAIN)
    pieces = [requests, rate, *_canary(service), *_troubles(service)]
    room = min(_MINUTE, width - length(pieces) - GAP)
    if not service.last_minute or room < _SHORTEST_SPARKLINE:
        return sentence(pieces, width)
    return spread(pieces, (sparkline(service.last_minute, room), FAINT), width)


def _canary(service: ServiceView) -> list[Piece]:
    held = {backend.number: backend.canary for backend in service.backends if backend.canary}
    return [(f"canary {', '.join(map(str, held))} at {100 * max(held.values()):g}%", UNEASY)] if held else []


def _troubles(service: ServiceView) -> list[Piece]:
    totals = service.totals
    troubles = [(totals.queued, "queued", UNEASY), (totals.failed, "failed", BAD), (totals.retried, "retried", UNEASY)]
    return [(f"{count(number)} {word}", style) for number, word, style in troubles if number]


def _long(change: ChangeView, name: str) -> Line:
    before, after = sanitize(change.before), sanitize(change.after)
    padding = " " * (_MOVE - len(f"{before} -> {after}"))
    return [
        _time(change),
        Segment(f"{name}  "),
        Segment(before, of_phase(before)),
        Segment(" -> ", QUIET),
        Segment(after, of_phase(after)),
        Segment(f"{padding}  {sanitize(change.reason)}", QUIET),
    ]


def _short(change: ChangeView) -> Line:
    after = sanitize(change.after)
    return [_time(change), Segment(f"{change.number} "), Segment(after, of_phase(after))]


def _time(change: ChangeView) -> Segment:
    return Segment(f"{time_of_day(change.at)}  ", QUIET)
