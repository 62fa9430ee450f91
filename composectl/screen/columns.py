"""What the table shows of a backend, column by column."""

from collections.abc import Sequence

from composectl.screen import palette
from composectl.screen.figures import bar, count, figure, percent
from composectl.screen.harmless import harmless
from composectl.screen.layout import Column, Entry
from composectl.screen.line import keep_tail

_BAR = 10


def errors(entry: Entry) -> int:
    """The requests that failed, and those answered with a 5xx."""
    return entry.backend.failed + entry.backend.responses.get("5xx", 0)


_ADDRESS = Column(
    heading="address",
    rank=8,
    text=lambda entry, room: harmless(entry.backend.address),
    left=True,
)

COLUMNS = (
    Column(
        heading="#",
        rank=0,
        text=lambda entry, room: str(entry.backend.number),
        style=lambda entry: palette.QUIET,
    ),
    Column(
        heading="name",
        rank=3,
        text=lambda entry, room: keep_tail(harmless(entry.backend.name), room),
        left=True,
        least=16,
    ),
    _ADDRESS,
    Column(
        heading="phase",
        rank=0,
        text=lambda entry, room: harmless(entry.backend.phase),
        style=lambda entry: palette.of_phase(entry.backend.phase),
        left=True,
        least=5,
        floor=len("starting"),
    ),
    Column(
        heading="in flight",
        rank=2,
        text=lambda entry, room: count(entry.backend.in_flight),
        style=lambda entry: palette.of_count(entry.backend.in_flight),
    ),
    Column(
        heading="requests",
        rank=0,
        text=lambda entry, room: count(entry.backend.requests),
        style=lambda entry: palette.of_count(entry.backend.requests),
    ),
    Column(
        heading="share",
        rank=5,
        text=lambda entry, room: percent(entry.backend.requests, entry.service_requests),
        style=lambda entry: palette.of_count(entry.backend.requests),
    ),
    Column(
        heading="",
        rank=7,
        text=lambda entry, room: bar(entry.backend.requests, entry.most_requests, min(room, _BAR)),
        style=lambda entry: palette.DRAWN,
        left=True,
        least=4,
        floor=_BAR,
        gap=1,
    ),
    Column(
        heading="req/s",
        rank=1,
        text=lambda entry, room: figure(entry.backend.requests_per_second),
        style=lambda entry: palette.of_count(entry.backend.requests_per_second),
    ),
    Column(
        heading="errors",
        rank=4,
        text=lambda entry, room: count(errors(entry)),
        style=lambda entry: palette.of_errors(errors(entry)),
    ),
    Column(
        heading="p50 ms",
        rank=9,
        text=lambda entry, room: figure(entry.backend.p50_ms),
        style=lambda entry: palette.of_count(entry.backend.p50_ms),
    ),
    Column(
        heading="p95 ms",
        rank=6,
        text=lambda entry, room: figure(entry.backend.p95_ms),
        style=lambda entry: palette.of_count(entry.backend.p95_ms),
    ),
)


def columns_for(entries: Sequence[Entry]) -> Sequence[Column]:
    """All of them, but for the addresses where backends are named by them."""
    named = any(entry.backend.name != entry.backend.address for entry in entries)
    return [column for column in COLUMNS if named or column is not _ADDRESS]
