"""What sessions cost: the CPU time per request of a client that stays with its replica, and of one that need not."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection

from bench.figures import Figure, Row
from bench.parts import cpu
from bench.parts.part import Part, Target
from bench.wrk import Load

WITHOUT = Row("composectl")
STICKY = Row("composectl-sticky")
HASHED = Row("composectl-hashed")
_SESSIONS = 64
_COOKIE = "visit={number}; {given}"


# Private


def _measure(target: Target, seconds: int) -> Mapping[Figure, float]:
    cookies = tuple(_COOKIE.format(number=number, given=_given(target.port)) for number in range(_SESSIONS))
    return cpu.measure(Load(cookies=cookies), target, seconds)[1]


def _given(port: int) -> str:
    """The cookie that a new session is given, or one of its length."""
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        given = response.getheader("Set-Cookie", f"composectl-00000000={'0' * 32}")
        return given.partition(";")[0]
    finally:
        connection.close()


def _to_none(_: Row) -> Row:
    """All are compared to composectl without sessions, which gets the same requests."""
    return WITHOUT


PART = Part(
    "sticky",
    f"Sticky: a 24-byte answer, 64 connections, {_SESSIONS} sessions",
    (cpu.CPU, cpu.USER, cpu.SYSTEM, cpu.SPEED),
    _measure,
    base=_to_none,
    only=(WITHOUT.peer, STICKY.peer, HASHED.peer),
)
