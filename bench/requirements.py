"""What the figures have to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.figures import Figure, Row, Samples
from bench.parts import (
    bodies,
    capped,
    commands,
    cpu,
    growth,
    grpc,
    https,
    killed,
    latency,
    memory,
    sticky,
    table,
    tcp,
    watched,
    workers,
)

_OURS = Row("composectl")


@dataclass(frozen=True, slots=True)
class Requirement:
    """`limit` is the most that the value may be, or with `at_least` the least; `unit` stands behind both."""

    text: str
    part: str
    value: Callable[[Samples], float | None]
    limit: float
    unit: str = "x"
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A requirement, and what was measured."""

    requirement: Requirement
    value: float

    @property
    def met(self) -> bool:
        """Whether it is held."""
        required = self.requirement
        return self.value >= required.limit if required.at_least else self.value <= required.limit

    @property
    def limit(self) -> str:
        """The limit in words."""
        word = "at least" if self.requirement.at_least else "at most"
        return f"{word} {self.requirement.limit:g} {self.requirement.unit}"


def verdicts(measured: Mapping[str, Samples]) -> list[Verdict]:
    """On all that was measured; `measured` is by the names of the parts."""
    values = [
        (requirement, requirement.value(measured[requirement.part]))
        for requirement in REQUIREMENTS
        if requirement.part in measured
    ]
    return [Verdict(requirement, value) for requirement, value in values if value is not None]


# Private


def _ratio(figure: Figure, row: Row, base: Row) -> Callable[[Samples], float | None]:
    return lambda samples: samples.ratio(figure, row, base)


def _cpu_against(peer: str) -> Callable[[Samples], float | None]:
    return _ratio(cpu.CPU, _OURS, Row(peer))


def _median(figure: Figure) -> Callable[[Samples], float | None]:
    return lambda samples: samples.median(figure, _OURS) if _OURS in samples.rows(figure) else None


_TUNED = _ratio(bodies.PER_CPU_SECOND, _OURS, Row("nginx-tuned"))
_BULK = _ratio(bodies.PER_CPU_SECOND, _OURS, tcp.HAPROXY)
_HANDSHAKES = _ratio(https.PER_CPU_SECOND, _OURS, Row("nginx"))
_GROWTH = _ratio(cpu.CPU, Row("composectl", growth.MANY), Row("composectl", growth.FEW))
_WATCHED = _ratio(latency.P99, watched.WATCHED, latency.BARE)
_STICKY = _ratio(cpu.CPU, sticky.STICKY, sticky.WITHOUT)
_HASHED = _ratio(cpu.CPU, sticky.HASHED, sticky.WITHOUT)
_OF_TWO, _OF_FOUR = (
    _ratio(cpu.SPEED, workers.row("composectl", count), workers.row("composectl", 1)) for count in (2, 4)
)
_CPU_OF_FOUR = _ratio(cpu.CPU, workers.row("composectl", 4), workers.row("composectl", 1))
_CAPPED = _ratio(cpu.CPU, capped.CAPPED, capped.WITHOUT)
_TABLE = _ratio(latency.P99, table.DRAWN, latency.BARE)

REQUIREMENTS = (
    Requirement("CPU per request against nginx", "cpu", _cpu_against("nginx"), 1.2),
    Requirement("CPU per request against HAProxy", "cpu", _cpu_against("haproxy"), 1.15),
    Requirement("CPU per request with its own trace against nginx", cpu.TRACED.name, _cpu_against("nginx"), 2.0),
    Requirement("CPU per new connection against nginx", bodies.CLOSING.name, _cpu_against("nginx"), 1.25),
    Requirement("CPU per body of 64 KiB against tuned nginx", bodies.MIDDLE.name, _cpu_against("nginx-tuned"), 0.9),
    Requirement("CPU per request against the tuned Go proxy", "cpu", _cpu_against("go-tuned"), 0.5),
    Requirement("CPU per request against Caddy", "cpu", _cpu_against("caddy"), 0.4),
    Requirement("10 MiB bodies per CPU second against HAProxy", "10m", _BULK, 2.5, at_least=True),
    Requirement("10 MiB bodies per CPU second against tuned nginx", "10m", _TUNED, 2.0, at_least=True),
    Requirement("10 MiB uploads per CPU second against HAProxy", bodies.LARGE_UPLOAD.name, _BULK, 2.5, at_least=True),
    Requirement(
        "10 MiB uploads per CPU second against tuned nginx", bodies.LARGE_UPLOAD.name, _TUNED, 2.0, at_least=True
    ),
    Requirement(
        "bulk of WebSockets per CPU second against tuned nginx", tcp.WEBSOCKET.name, _TUNED, 2.0, at_least=True
    ),
    Requirement("CPU per request before 200 backends against 4", "growth", _GROWTH, 1.05),
    Requirement("CPU per call of gRPC against nginx", grpc.ALIKE.name, _cpu_against("nginx"), 1.0),
    Requirement("CPU per call of gRPC against Caddy", grpc.ALIKE.name, _cpu_against("caddy"), 0.4),
    Requirement("CPU per call of gRPC with its own trace against nginx", grpc.TRACED.name, _cpu_against("nginx"), 1.5),
    Requirement("CPU per request over HTTPS against nginx", https.KEPT.name, _cpu_against("nginx"), 1.3),
    Requirement("full handshakes per CPU second against nginx", https.FULL.name, _HANDSHAKES, 0.65, at_least=True),
    Requirement("CPU per request of HTTP/2 over TLS against Caddy", https.HTTP_2.name, _cpu_against("caddy"), 1.0),
    Requirement("CPU per round trip over TCP against HAProxy", tcp.MESSAGES.name, _cpu_against("haproxy"), 1.3),
    Requirement("bulk over TCP per CPU second against HAProxy", tcp.IN_BULK.name, _BULK, 2.0, at_least=True),
    Requirement("requests/s of 2 workers against 1", "workers", _OF_TWO, 1.8, at_least=True),
    Requirement("requests/s of 4 workers against 1", "workers", _OF_FOUR, 3.4, at_least=True),
    Requirement("CPU per request with 4 workers against 1", "workers", _CPU_OF_FOUR, 1.05),
    Requirement("p99 with the table drawn against without", "table", _TABLE, 1.3),
    Requirement("p99 with all watchers against bare", "watched", _WATCHED, 1.2),
    Requirement("CPU per request with sessions by cookie against none", "sticky", _STICKY, 1.1),
    Requirement("CPU per request with sessions by hash against none", "sticky", _HASHED, 1.1),
    Requirement("CPU per request with `--max-in-flight` against none", "capped", _CAPPED, 1.05),
    Requirement("failed requests while backends are killed", "killed", _median(killed.LOST), 0, "requests"),
    Requirement("p99 while backends are killed", "killed", _median(killed.P99), 50, "ms"),
    Requirement("throughput while backends are killed", "killed", _median(killed.KEPT), 0.9, at_least=True),
    Requirement("memory at 10,000 idle connections", "memory", _median(memory.RESIDENT), 100, "MiB"),
    Requirement("memory at 10,000 idle streams", memory.IN_STREAMS.name, _median(memory.RESIDENT), 150, "MiB"),
    Requirement("`composectl --version`", "commands", _median(commands.VERSION), 100, "ms of CPU"),
    Requirement("`composectl status`", "commands", _median(commands.STATUS), 300, "ms of CPU"),
)
