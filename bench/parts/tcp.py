"""What connections cost that are balanced as a whole: small messages both ways, and bulk, also of WebSockets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bench.figures import Figure, Row
from bench.messages import SIZE, answering, exchange
from bench.parts.bodies import PER_CPU_SECOND, PER_SECOND, relaying
from bench.parts.cpu import CPU, SPEED, SYSTEM, USER, reading
from bench.parts.part import Part, Target

CONNECTIONS, BULK_CONNECTIONS = 64, 16
BULK = 10 * 2**20
HAPROXY = Row("haproxy")
_PEERS = ("composectl", "haproxy", "haproxy-splice")


# Private


def _to_haproxy(_: Row) -> Row:
    return HAPROXY


def _measure_messages(target: Target, seconds: int) -> Mapping[Figure, float]:
    return reading(target, lambda: exchange(target.port, SIZE, CONNECTIONS, seconds))[1]


def _measure_bulk(target: Target, seconds: int) -> Mapping[Figure, float]:
    return relaying(target, lambda: exchange(target.port, BULK, BULK_CONNECTIONS, seconds))


def _measure_websocket(target: Target, seconds: int) -> Mapping[Figure, float]:
    return relaying(target, lambda: exchange(target.port, BULK, BULK_CONNECTIONS, seconds, upgraded=True))


MESSAGES = Part(
    "tcp",
    f"TCP: a message of {SIZE} bytes and its answer of {SIZE} bytes, {CONNECTIONS} connections",
    (CPU, USER, SYSTEM, SPEED),
    _measure_messages,
    base=_to_haproxy,
    only=_PEERS,
    behind=partial(answering, size=SIZE),
)
IN_BULK = Part(
    "tcp-bulk",
    f"TCP: answers of 10 MiB, one after the other on each of {BULK_CONNECTIONS} connections",
    (PER_CPU_SECOND, PER_SECOND),
    _measure_bulk,
    base=_to_haproxy,
    only=_PEERS,
    behind=partial(answering, size=BULK),
)
WEBSOCKET = Part(
    "ws-bulk",
    f"WebSocket: 10 MiB after 10 MiB, on each of {BULK_CONNECTIONS} connections",
    (PER_CPU_SECOND, PER_SECOND),
    _measure_websocket,
    only=("nginx", "nginx-tuned", "composectl", "haproxy"),
    behind=partial(answering, size=BULK, upgraded=True),
)
PARTS = (MESSAGES, IN_BULK, WEBSOCKET)
