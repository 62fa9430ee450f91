"""What it costs the clients that somebody watches: the latency at a fixed rate, with all that can be on, and bare."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import Figure, Row
from bench.parts import latency
from bench.parts.part import Part, Target
from bench.peers.ours import INSTALLED, NAME
from bench.watchers import watching

BARE, WATCHED = Row("composectl-quiet"), Row("composectl-watched")


# Private


def _measure(target: Target, seconds: int) -> Mapping[Figure, float]:
    if target.peer != WATCHED.peer:
        return latency.measure(target, seconds)
    with watching(INSTALLED, NAME, target.folder):
        return latency.measure(target, seconds)


def _to_bare(_: Row) -> Row:
    return BARE


PART = Part(
    "watched",
    f"Watched: a 24-byte answer, {latency.PER_SECOND:,} requests/s",
    (latency.P99, latency.P50),
    _measure,
    base=_to_bare,
    only=(BARE.peer, WATCHED.peer),
)
