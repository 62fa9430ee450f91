"""CPU time per unary call of gRPC over h2c: all calls alike, and each with a deadline and a trace of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench import h2load, traced_calls
from bench.figures import Figure
from bench.grpc_servers import answering
from bench.parts.cpu import CPU, SPEED, SYSTEM, USER, reading
from bench.parts.part import Part, Target
from bench.wrk import Outcome

_TITLE = f"gRPC: a unary call over h2c, {h2load.CONNECTIONS} connections with {h2load.STREAMS} calls each"
_WITHOUT = (
    *("nginx-tuned", "composectl-interpreted", "composectl-quiet", "composectl-logging", "composectl-watched"),
    *("go", "go-tuned", "go-pooled"),
)


# Private


def _part(name: str, title: str, call: Callable[[int, int], Outcome]) -> Part:
    def measure(target: Target, seconds: int) -> Mapping[Figure, float]:
        return reading(target, lambda: call(target.port, seconds))[1]

    return Part(
        name,
        title,
        (CPU, USER, SYSTEM, SPEED),
        measure,
        without=_WITHOUT,
        behind=answering,
    )


ALIKE = _part("grpc", _TITLE, h2load.call)
TRACED = _part("grpc-traced", f"{_TITLE}, each with its own `grpc-timeout` and `traceparent`", traced_calls.call)
PARTS = (ALIKE, TRACED)
