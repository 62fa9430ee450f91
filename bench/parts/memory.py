"""Memory with many idle connections, and with many idle streams of HTTP/2."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.figures import FAILED, Figure
from bench.idle import answers, idle
from bench.open_calls import holding, opened
from bench.parts.latency import WITHOUT
from bench.parts.part import Part, Target
from bench.process import resident
from bench.tls_load import encrypted

CONNECTIONS, OVER_TLS = 10_000, 2_000
STREAM_CONNECTIONS, STREAMS = 1_000, 10
BEFORE = Figure("before", "MiB")
RESIDENT = Figure("resident", "MiB")
EACH = Figure("a connection", "KiB")

_SETTLE_SECONDS = 1.5


def measure(target: Target, connections: int) -> Mapping[Figure, float]:
    """The memory without and with so many; a connection that is lost meanwhile counts as failed."""
    before = resident(target.pid)
    with idle(target.port, connections, over_tls=target.backends.certificate is not None) as clients:
        time.sleep(_SETTLE_SECONDS)
        after = resident(target.pid)
        alive = sum(map(answers, clients))
    each = (after - before) * 1024 / connections
    return {RESIDENT: after, BEFORE: before, EACH: each, FAILED: connections - alive}


def measure_streams(target: Target, connections: int) -> Mapping[Figure, float]:
    """The same for connections of HTTP/2 with `STREAMS` idle streams each."""
    before = resident(target.pid)
    with opened(target.port, connections, STREAMS) as clients:
        time.sleep(_SETTLE_SECONDS)
        after = resident(target.pid)
        alive = sum(client.is_alive() for client in clients)
    each = (after - before) * 1024 / connections
    return {RESIDENT: after, BEFORE: before, EACH: each, FAILED: connections - alive}


# Private


def _measure(target: Target, _: int) -> Mapping[Figure, float]:
    return measure(target, CONNECTIONS)


PART = Part("memory", f"{CONNECTIONS:,} idle connections", (RESIDENT, BEFORE, EACH), _measure, without=WITHOUT, most=1)
ENCRYPTED = Part(
    "https-memory",
    f"{OVER_TLS:,} idle connections over TLS",
    (EACH, RESIDENT, BEFORE),
    lambda target, _: measure(target, OVER_TLS),
    only=("nginx", "composectl", "haproxy", "caddy"),
    most=1,
    behind=encrypted,
)
IN_STREAMS = Part(
    "streams",
    f"{STREAM_CONNECTIONS:,} connections of HTTP/2 with {STREAMS} idle streams each",
    (RESIDENT, BEFORE, EACH),
    lambda target, _: measure_streams(target, STREAM_CONNECTIONS),
    only=("nginx", "composectl", "haproxy"),
    most=1,
    behind=holding,
)
