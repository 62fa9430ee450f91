"""What more backends cost: CPU time per request before 1, 4 and 200 of them."""

from __future__ import annotations

from bench.figures import Row
from bench.parts import cpu
from bench.parts.part import Part

FEW, MANY = 4, 200


def _to_few(row: Row) -> Row:
    return Row(row.peer, FEW)


PART = Part(
    "growth",
    "A 24-byte answer, 64 connections, from more backends",
    cpu.PART.figures,
    cpu.PART.measure,
    base=_to_few,
    without=("nginx-tuned", "composectl-interpreted", "composectl-quiet", "go", "go-tuned", "go-pooled", "caddy"),
    backends=(1, FEW, MANY),
)
