"""What more backends cost: CPU time per request before 1, 4 and 200 of them."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import Figure, Row
from bench.parts import cpu
from bench.parts.part import Part, Target
from bench.wrk import Load

FEW, MANY = 4, 200


# More than the backends: before fewer clients than that, the many are asked on more connections than the few.
CLIENTS = 256


def _measure(target: Target, seconds: int) -> Mapping[Figure, float]:
    return cpu.measure(Load(connections=CLIENTS), target, seconds)[1]


def _to_few(row: Row) -> Row:
    return Row(row.peer, FEW)


PART = Part(
    "growth",
    f"A 24-byte answer, {CLIENTS} connections, from more backends",
    cpu.PART.figures,
    _measure,
    base=_to_few,
    without=(
        *("nginx-tuned", "composectl-interpreted", "composectl-quiet", "composectl-logging", "composectl-watched"),
        *("go", "go-tuned", "go-pooled", "caddy"),
    ),
    backends=(1, FEW, MANY),
)
