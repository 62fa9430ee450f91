"""The lines of one service: who it is, its backends, its last changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rich.segment import Segment

from composectl.balance.snapshot import BackendView, ServiceView
from composectl.screen.changes import change_lines
from composectl.screen.harmless import harmless
from composectl.screen.header import header
from composectl.screen.layout import Entry, Layout
from composectl.screen.line import Line, clipped
from composectl.screen.palette import QUIET
from composectl.screen.room import Room, furnish, wanted

_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Block:
    """A service in the room that it has got: the entries that are shown, and the backends that are left out."""

    service: ServiceView
    room: Room
    entries: tuple[Entry, ...]
    left_out: tuple[BackendView, ...]

    def lines(self, layout: Layout, now: float, width: int) -> list[Line]:
        changes = self.service.changes[-self.room.changes :] if self.room.changes else ()
        lines = header(self.service, now, min(width, layout.width))
        for part in (self._backends(layout, width), change_lines(changes, width)):
            lines += [[], *part] if part and self.room.airy else part
        return lines

    def _backends(self, layout: Layout, width: int) -> list[Line]:
        if not self.service.backends:
            return [[Segment("no replica yet", QUIET)]]
        rows = [layout.row(entry) for entry in self.entries]
        return [*([layout.headings()] if rows else []), *rows, *_others(self.left_out, len(rows), width)]


def lines_wanted(service: ServiceView) -> int:
    """The lines that `service` takes when nothing is left out."""
    return wanted(len(service.backends), len(service.changes[-_CHANGES:]))


def furnished(service: ServiceView, lines: int) -> Block:
    """The block of `service` for `lines` lines, its backends by number."""
    room = furnish(lines, len(service.backends), len(service.changes[-_CHANGES:]))
    backends = sorted(service.backends, key=lambda backend: (backend.number, backend.since))
    requests = [backend.requests for backend in backends]
    total, most = sum(requests), max(requests, default=0)
    entries = tuple(Entry(backend, total, most) for backend in backends[: room.rows])
    return Block(service, room, entries, tuple(backends[room.rows :]))


# Private


def _others(left_out: Iterable[BackendView], shown: int, width: int) -> list[Line]:
    phases = Counter(harmless(backend.phase) for backend in left_out)
    if not phases:
        return []
    more = f"{phases.total()} more" if shown else f"{phases.total()} backends"
    summary = ", ".join(f"{number} {phase}" for phase, number in phases.most_common())
    return [clipped([Segment(f"... {more}: {summary}", QUIET)], width)]
