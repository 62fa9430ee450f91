"""What it costs the clients that the table is drawn: the latency at a fixed rate, with it and without."""

from __future__ import annotations

from bench.figures import Row
from bench.parts import latency
from bench.parts.part import Part

DRAWN = Row("composectl")

PART = Part(
    "table",
    f"The table: a 24-byte answer, {latency.PER_SECOND:,} requests/s",
    (latency.P99, latency.P50),
    latency.measure,
    base=latency.to_bare,
    only=(DRAWN.peer, latency.BARE.peer),
    least=latency.ROUNDS,
)
