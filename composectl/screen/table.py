"""The live table: a snapshot as lines of styled text that fit the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.segment import Segment, Segments

from composectl.balance.snapshot import BackendView, ChangeView, ServiceView, Snapshot
from composectl.errors import plural
from composectl.sanitize import sanitize
from composectl.screen.console import redirects, time_of_day, uptime
from composectl.screen.layout import (
    NARROW,
    Layout,
    ServiceLines,
    TableRow,
    columns_for,
    fit,
    fit_rows,
    lines_needed,
    marker,
    split_lines,
)
from composectl.screen.pane import PrintedLine, foot, help_lines, pane_height, pane_lines
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
    size,
    sparkline,
    spread,
)
from composectl.screen.view import Item, View, arranged, chosen
from composectl.screen.waiting import waiting_lines

_SPACED_SERVICE = 8
_ROOMY = 12
_OUTPUT, _WHOLE_OUTPUT = 3, 10  # lines of a container that is not ready
_MOST_OTHERS = 3
_CHANGES = 5
_REASONS = 3
_MINUTE = 60
_SHORTEST_SPARKLINE = 6
_LONGEST_NAME = 30
_MOVE = len("starting -> ready")


def render_table(snapshot: Snapshot, *, now: float, width: int, height: int | None) -> RenderableType:
    """The table in `width` cells and at most `height` lines (None: as many as it takes); `now` in epoch seconds."""
    lines = _head(snapshot, now, width, height)[:height]
    footer = _footer(snapshot, width) if height is not None and height - len(lines) >= _ROOMY else []
    left = None if height is None else height - len(lines) - len(footer)
    if left != 0:
        lines += _lines(snapshot.services, now, width, left)
    return _drawn([*lines, *footer])


def render_view(
    snapshot: Snapshot, view: View, log: Sequence[PrintedLine], *, now: float, width: int, height: int
) -> RenderableType:
    """The same as `view` shows it, with a line about keys at the foot, and the `log` where it has a pane."""
    last = foot(view, now, width)[:height]
    left = height - len(last)
    if view.has_help:
        return _drawn([*help_lines(view, width)[:left], *last])
    head = _head(snapshot, now, width, height)[:left]
    pane: list[Line] = []
    services, selected = snapshot.services, chosen(view, snapshot)
    if view.pane is not None:
        wanted = len(head) + sum(block_lines_needed(service) + 1 for service in services)
        pane = pane_lines(view.pane, log, width, pane_height(left, wanted))
        left -= len(pane)
    head = head[:left]
    lines = head + (_lines(services, now, width, left - len(head), view, selected) if left > len(head) else [])
    gap: list[Line] = [[]] if len(lines) + len(pane) + len(last) < height else []
    return _drawn([*lines, *gap, *pane, *last])


@dataclass(frozen=True, slots=True)
class ServiceBlock:
    """A service in its lines: the rows that are shown, and the backends that are left out."""

    service: ServiceView
    shown: ServiceLines
    rows: tuple[TableRow, ...]
    left_out: tuple[BackendView, ...]
    waiting: tuple[str, ...] = ()
    without_rows: str = ""

    def lines(self, layout: Layout, now: float, width: int) -> list[Line]:
        changes = self.service.all_changes[-self.shown.changes :] if self.shown.changes else ()
        header_width = min(width, layout.width)
        lines = [_title(self.service, now, header_width), _figures(self.service, header_width)]
        notices = self.service.notices[: self.shown.notices]
        lines += [clipped([Segment(f"! {sanitize(notice)}", UNEASY)], width) for notice in notices]
        waiting = [_reason(line, width) for line in self.waiting[: self.shown.waiting]]
        for part in (self._backends(layout, width), waiting, change_lines(changes, width)):
            lines += [[], *part] if part and self.shown.spaced else part
        return lines

    def _backends(self, layout: Layout, width: int) -> list[Line]:
        if self.without_rows:
            return [[Segment(self.without_rows, QUIET)]]
        rows = [layout.row(row) for row in self.rows]
        return [*([layout.headings()] if rows else []), *rows, *_more(self.left_out, len(rows), width)]


def block_lines_needed(service: ServiceView, output: int = _OUTPUT, view: View | None = None) -> int:
    """The lines that `service` takes when nothing is left out, with so many lines of `output` for each reason."""
    waiting = waiting_lines(service.waiting, output)
    changes = service.all_changes[-_CHANGES:]
    return lines_needed(len(arranged(view, service)), len(changes), len(waiting), len(service.notices))


def fit_block(
    service: ServiceView, lines: int, output: int = _OUTPUT, view: View | None = None, selected: Item | None = None
) -> ServiceBlock:
    """The block of `service` for `lines` lines, its backends as `view` arranges them, with the selected one."""
    waiting = tuple(waiting_lines(service.waiting, output))
    changes = service.all_changes[-_CHANGES:]
    backends = arranged(view, service)
    shown = fit_rows(lines, len(backends), len(changes), len(waiting), len(service.notices))
    counts = [_counted(service, backend) for backend in service.backends]
    total, most = sum(counts), max(counts, default=0)
    chosen_one = selected.id if selected and selected.service == service.service else None
    at = next((at for at, backend in enumerate(backends) if backend.id == chosen_one), 0)
    first = max(0, at - shown.rows + 1)
    rows = tuple(
        TableRow(backend, _counted(service, backend), total, most, None if view is None else backend.id == chosen_one)
        for backend in backends[first : first + shown.rows]
    )
    left_out = (*backends[:first], *backends[first + shown.rows :])
    without_rows = "" if backends else f"{marker(None if view is None else chosen_one == '')}{_none(service)}"
    return ServiceBlock(service, shown, rows, left_out, waiting, without_rows)


def change_lines(changes: Sequence[ChangeView], width: int) -> list[Line]:
    """The changes in columns; a narrow terminal gets time, number and new phase only."""
    if width <= NARROW:
        return [
            clipped([_time(change), Segment(f"{change.number} "), _phase(change.after)], width) for change in changes
        ]
    names = [keep_tail(sanitize(change.name), _LONGEST_NAME) for change in changes]
    widest = max(map(cell_len, names), default=0)
    return [
        clipped(_change(change, set_cell_size(name, widest)), width)
        for change, name in zip(changes, names, strict=True)
    ]


# Private


def _drawn(lines: Iterable[Line]) -> RenderableType:
    return Segments([segment for line in lines for segment in (*line, Segment.line())])


def _head(snapshot: Snapshot, now: float, width: int, height: int | None) -> list[Line]:
    """What is told of all services together."""
    return [*_stale(snapshot, now, width), *_workers(snapshot, width), *_others(snapshot, width, height)]


def _stale(snapshot: Snapshot, now: float, width: int) -> list[Line]:
    since = snapshot.stale_since
    if since is None:
        return []
    words = f"engine unreachable since {time_of_day(since)}, for {uptime(since, now)}: the replicas may have changed"
    return [clipped([Segment(words, BAD)], width)]


def _workers(snapshot: Snapshot, width: int) -> list[Line]:
    replaced = [worker for worker in snapshot.workers if worker.restarts]
    if not replaced:
        return []
    restarts = sum(worker.restarts for worker in replaced)
    times = "once" if restarts == 1 else f"{count(restarts)} times"
    last = max(replaced, key=lambda worker: worker.since).last_end
    words = f"! {len(replaced)} of {plural(len(snapshot.workers), 'worker')} replaced {times}"
    return [clipped([Segment(sanitize(f"{words}: {last}" if last else words), UNEASY)], width)]


def _others(snapshot: Snapshot, width: int, height: int | None) -> list[Line]:
    output = 0 if height is not None else _WHOLE_OUTPUT
    lines = waiting_lines(snapshot.others, output)
    return [_reason(line, width) for line in (lines if height is None else lines[:_MOST_OTHERS])]


def _reason(line: str, width: int) -> Line:
    return clipped([Segment(line, QUIET if line.startswith(" ") else UNEASY)], width)


def _footer(snapshot: Snapshot, width: int) -> list[Line]:
    """How to see what the replicas print, which the table covers."""
    if not snapshot.logs:
        return []
    return [[], clipped([Segment(f"`{snapshot.logs}` shows what the replicas print", QUIET)], width)]


def _lines(
    services: Sequence[ServiceView],
    now: float,
    width: int,
    height: int | None,
    view: View | None = None,
    selected: Item | None = None,
) -> list[Line]:
    output = _WHOLE_OUTPUT if height is None else _OUTPUT
    if height is None:
        height = sum(block_lines_needed(service, output) + 1 for service in services)
    at = next((at for at, service in enumerate(services) if selected and service.service == selected.service), 0)
    if len(services) > height:
        first = max(0, at - height + 2)
        return [
            *_lines(services[first : first + height - 1], now, width, height - 1, view, selected),
            [Segment(f"... {plural(len(services) - height + 1, 'more service')}", QUIET)],
        ]
    between = 1 if height >= _SPACED_SERVICE * len(services) else 0
    wants = [block_lines_needed(service, output, view) for service in services]
    heights = split_lines(height - between * (len(services) - 1), wants, None if view is None else at)
    blocks = [
        fit_block(service, lines, output, view, selected) for service, lines in zip(services, heights, strict=True)
    ]
    layouts = {kind: _layout(blocks, kind, width) for kind in (False, True)}
    lines: list[Line] = []
    for block, block_height in zip(blocks, heights, strict=True):
        shown = block.lines(layouts[block.service.by_connection], now, width)
        lines += [[]] * between * bool(lines) + shown[:block_height]
    return lines


def _counted(service: ServiceView, backend: BackendView) -> int:
    return backend.connections_total if service.by_connection else backend.requests


def _none(service: ServiceView) -> str:
    if service.backends:
        return "no replica matches the filter"
    if service.asleep:
        return "asleep until a request comes"
    return "no replica" if service.totals.changes else "no replica yet"


def _layout(blocks: Iterable[ServiceBlock], by_connection: bool, width: int) -> Layout:
    """That of the services that are balanced so: their columns stand below each other."""
    rows = [row for block in blocks if block.service.by_connection is by_connection for row in block.rows]
    return fit(columns_for(rows, by_connection=by_connection), rows, width)


def _more(left_out: Iterable[BackendView], shown: int, width: int) -> list[Line]:
    phases = Counter(sanitize(backend.phase) for backend in left_out)
    if not phases:
        return []
    more = f"{phases.total()} more" if shown else plural(phases.total(), "backend")
    summary = ", ".join(f"{number} {phase}" for phase, number in phases.most_common())
    return [clipped([Segment(f"... {more}: {summary}", QUIET)], width)]


def _title(service: ServiceView, now: float, width: int) -> Line:
    up = (f"up {uptime(service.since, now)}", QUIET)
    sticky = f", sticky by {service.sticky}" if service.sticky else ""
    by_load = f", {service.range} by load" if service.range else ""
    policy = (sanitize(f"{service.policy}{sticky}{by_load}"), QUIET)
    return spread([(sanitize(service.service), TITLE), *_places(service), up, policy], _readiness(service), width)


def _places(service: ServiceView) -> Iterator[Piece]:
    """The listeners, those of each port before its protocol."""
    known = {listener for port in service.ports for listener in port.listeners}
    for port in service.ports:
        yield from ((sanitize(listener), PLACE) for listener in port.listeners)
        came = sorted(port.recognised) if port.protocol == "auto" else []
        yield sanitize(f"{port.protocol}: {', '.join(came)}" if came else port.protocol), PLAIN
    yield from ((sanitize(listener), PLACE) for listener in service.listeners if listener not in known)
    if service.redirect_http:
        yield sanitize(redirects(service.redirect_http)), PLAIN


def _readiness(service: ServiceView) -> Piece:
    if service.asleep:
        return "asleep", QUIET
    ready = sum(backend.phase == "ready" for backend in service.backends)
    if ready >= service.desired:
        return f"{ready}/{service.desired} ready", GOOD
    return f"{ready}/{service.desired} ready", UNEASY if ready else BAD


def _figures(service: ServiceView, width: int) -> Line:
    totals = service.totals
    pieces = [(f"{figure(recent(service.last_minute))}/s", PLAIN)]
    if service.by_connection:
        pieces = [(plural(totals.connections_total, "connection"), PLAIN), *pieces, *_traffic(service)]
    else:
        pieces = [(plural(totals.requests, "request"), PLAIN), *pieces]
    if canaries := {backend.number: backend.canary for backend in service.backends if backend.canary}:
        pieces.append((f"canary {', '.join(map(str, canaries))} at {100 * max(canaries.values()):g}%", UNEASY))
    troubles = [(totals.queued, "queued", UNEASY), (totals.failed, "failed", BAD), (totals.retried, "retried", UNEASY)]
    moved = totals.sessions_moved
    troubles.append((moved, "session moved" if moved == 1 else "sessions moved", UNEASY))
    pieces += [(f"{count(number)} {word}", style) for number, word, style in troubles if number]
    if refused := Counter(totals.bad_requests):
        reasons = ", ".join(f"{count(number)} {sanitize(reason)}" for reason, number in refused.most_common(_REASONS))
        pieces.append((f"{count(refused.total())} refused ({reasons})", UNEASY))
    cells_left = min(_MINUTE, width - length(pieces) - GAP)
    if not service.last_minute or cells_left < _SHORTEST_SPARKLINE:
        return sentence(pieces, width)
    return spread(pieces, (sparkline(service.last_minute, cells_left), FAINT), width)


def _traffic(service: ServiceView) -> Iterator[Piece]:
    yield f"{count(service.totals.connections)} open", PLAIN
    yield f"received {size(service.totals.bytes_received)}", PLAIN
    yield f"sent {size(service.totals.bytes_sent)}", PLAIN


def _change(change: ChangeView, name: str) -> Line:
    before, after = _phase(change.before), _phase(change.after)
    padding = " " * (_MOVE - len(f"{before.text} -> {after.text}"))
    return [
        _time(change),
        Segment(f"{name}  "),
        before,
        Segment(" -> ", QUIET),
        after,
        Segment(f"{padding}  {sanitize(change.reason)}", QUIET),
    ]


def _phase(phase: str) -> Segment:
    return Segment(sanitize(phase), of_phase(phase))


def _time(change: ChangeView) -> Segment:
    return Segment(f"{time_of_day(change.at)}  ", QUIET)
