"""What TLS costs that ends at the proxy: a request on a kept connection, one of HTTP/2, and a full handshake."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.figures import Figure
from bench.parts.cpu import CPU, SPEED, SYSTEM, USER, reading
from bench.parts.part import Part, Target
from bench.tls_load import CONNECTIONS, HANDSHAKERS, STREAMS, ask, encrypted, shake_hands
from bench.wrk import Load, Outcome, put

PER_CPU_SECOND = Figure("handshakes in a CPU second", "", 0)
_KEPT = Load(scheme="https")
_WITHOUT = (
    *("nginx-tuned", "composectl-interpreted", "composectl-quiet", "composectl-logging", "composectl-watched"),
    *("go", "go-tuned", "go-pooled"),
)


# Private


def _part(name: str, title: str, load: Callable[[int, int], Outcome], *more: Figure) -> Part:
    def measure(target: Target, seconds: int) -> Mapping[Figure, float]:
        found = reading(target, lambda: load(target.port, seconds))[1]
        return found | {PER_CPU_SECOND: 1e6 / found[CPU]}

    return Part(name, title, (*more, CPU, USER, SYSTEM, SPEED), measure, without=_WITHOUT, behind=encrypted)


KEPT = _part(
    "https",
    f"HTTPS: a 24-byte answer, {_KEPT.connections} connections of HTTP/1.1",
    lambda port, seconds: put(_KEPT, port, seconds),
)
FULL = _part(
    "https-full",
    f"HTTPS: a full handshake (P-256) for each request, {HANDSHAKERS} at once",
    shake_hands,
    PER_CPU_SECOND,
)
HTTP_2 = _part(
    "https-h2", f"HTTPS: a 24-byte answer, {CONNECTIONS} connections of HTTP/2 with {STREAMS} streams each", ask
)
PARTS = (KEPT, HTTP_2, FULL)
