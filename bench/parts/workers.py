"""What more workers are worth: each has a quarter of a core, so that the load and the backends have the rest."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import FAILED, Figure, Row
from bench.parts import cpu
from bench.parts.part import Part, Target
from bench.quota import leaves, limited
from bench.wrk import Load, put

SHARE = 0.25
CONNECTIONS = 256  # the kernel divides them by chance: each worker has enough of them
COUNTS = (1, 2, 4)
_PEERS = ("composectl", "nginx", "haproxy")


def row(peer: str, count: int) -> Row:
    """That of a peer with so many workers."""
    return Row(f"{peer}-{count}")


# Private


def _measure(target: Target, seconds: int) -> Mapping[Figure, float]:
    with limited(leaves(target.pid), SHARE):
        _, figures = cpu.reading(target, lambda: put(Load(connections=CONNECTIONS), target.port, seconds))
    return {figure: figures[figure] for figure in (cpu.SPEED, cpu.CPU, FAILED)}


def _to_one(row_: Row) -> Row:
    return row(row_.peer.rpartition("-")[0], 1)


PART = Part(
    "workers",
    f"A 24-byte answer, {CONNECTIONS} connections, with more workers of {SHARE:.0%} of a core each",
    (cpu.SPEED, cpu.CPU),
    _measure,
    base=_to_one,
    only=tuple(row(peer, count).peer for peer in _PEERS for count in COUNTS),
)
