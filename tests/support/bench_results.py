"""The results of a run that never was."""

from __future__ import annotations

from bench.figures import FAILED, WAITED, Figure, Row, Samples
from bench.parts import bodies, commands, cpu, grpc, https, killed, latency, memory, tcp, workers
from bench.parts.all import PARTS
from bench.peers.all import PEERS
from bench.results import Results

# As fast as what the requirements ask for, in units of nginx.
COST = {
    "nginx": 1.0,
    "composectl": 1.1,
    "composectl-interpreted": 1.8,
    "composectl-quiet": 1.4,
    "composectl-logging": 1.7,
    "composectl-watched": 1.3,
    "composectl-sticky": 1.15,
    "composectl-hashed": 1.15,
    "composectl-capped": 1.1,
    "composectl-queued": 1.9,
    "nginx-tuned": 0.9,
    "haproxy": 1.1,
    "haproxy-splice": 1.1,
    "go": 8.0,
    "go-tuned": 5.0,
    "go-pooled": 3.0,
    "caddy": 6.0,
    **{row.peer: 1.0 for row in workers.PART.rows(tuple(PEERS))},
}


def samples(readings: dict[Row, list[dict[Figure, float]]]) -> Samples:
    """What was read, row by row and round by round."""
    made = Samples()
    for row, rounds in readings.items():
        for reading in rounds:
            made.add(row, reading)
    return made


def results(**cost: float) -> Results:
    """A whole run of two rounds, the second of which is a tenth dearer; `cost` replaces what a proxy costs."""
    costs = COST | {name.replace("_", "-"): value for name, value in cost.items()}
    measured = {part.name: Samples() for part in PARTS.values()}
    for drift in (1.0, 1.1):
        for part in PARTS.values():
            for row in part.rows(tuple(PEERS)):
                cost = costs[row.peer] * _IN_PART.get(part.name, {}).get(row.peer, 1.0)
                reading = {figure: _value(figure, cost) * drift for figure in part.figures}
                if bodies.PER_CPU_SECOND in part.figures:
                    reading[bodies.PER_CPU_SECOND] = _RELAYED.get(row.peer, 800)
                if part is workers.PART:
                    reading[cpu.SPEED] = 1000 * int(row.peer.rpartition("-")[2])
                measured[part.name].add(row, {**reading, WAITED: 0, FAILED: 0})
    return Results("2026-01-31", "a machine, 2 cores", dict.fromkeys((*PEERS, "Python"), "1.2.3"), 2, 1, measured)


# Private

# How much less a part costs a proxy than a request does
_IN_PART: dict[str, dict[str, float]] = {
    **{part.name: {"composectl": 0.5} for part in grpc.PARTS},
    https.KEPT.name: {"composectl": 0.5},
    bodies.MIDDLE.name: {"composectl": 0.7},
    tcp.MESSAGES.name: {"composectl": 0.9},
}

# MB per CPU second
_RELAYED = {"composectl": 3000, "nginx-tuned": 1200, "haproxy": 1000, "haproxy-splice": 4000}

_BASE: dict[Figure, float] = {
    memory.RESIDENT: 40,
    commands.VERSION: 20,
    commands.STATUS: 90,
    cpu.CPU: 20,
    latency.P99: 300,
    killed.P99: 20,
    killed.LOST: 0,
    killed.KEPT: 0.85,
}


def _value(figure: Figure, cost: float) -> float:
    return _BASE.get(figure, 10) * cost
