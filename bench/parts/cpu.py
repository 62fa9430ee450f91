"""CPU time per request: 64 connections, a 24-byte answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.figures import FAILED, WAITED, Figure
from bench.parts.part import Part, Target
from bench.process import spent
from bench.wrk import Load, Outcome, put

CPU = Figure("CPU", "µs/request")
USER = Figure("user", "µs")
SYSTEM = Figure("system", "µs")
SPEED = Figure("speed", "requests/s", 0)


def measure(load: Load, target: Target, seconds: int) -> tuple[Outcome, dict[Figure, float]]:
    """One round of `load`, and what it took."""
    return reading(target, lambda: put(load, target.port, seconds))


def reading(target: Target, load: Callable[[], Outcome]) -> tuple[Outcome, dict[Figure, float]]:
    """What became of a load, and what it took of the proxy."""
    before = spent(target.pid)
    outcome = load()
    took = spent(target.pid) - before
    micro = 1e6 / max(1, outcome.requests)
    return outcome, {
        CPU: took.ran * micro,
        USER: took.user * micro,
        SYSTEM: took.system * micro,
        SPEED: outcome.requests / outcome.seconds,
        WAITED: 100 * took.waited / outcome.seconds,
        FAILED: outcome.failed,
    }


def measure_plain(target: Target, seconds: int) -> Mapping[Figure, float]:
    """One round of requests for a 24-byte answer."""
    return measure(Load(), target, seconds)[1]


def measure_traced(target: Target, seconds: int) -> Mapping[Figure, float]:
    """One round of requests and answers of which each has a trace of its own."""
    return measure(Load("/traced", traced=True), target, seconds)[1]


PART = Part(
    "cpu",
    "A 24-byte answer, 64 connections",
    (CPU, USER, SYSTEM, SPEED),
    measure_plain,
    without=("nginx-tuned", "composectl-watched"),
)
TRACED = Part(
    "cpu-traced",
    "The same, each request and its answer with a `Traceparent` of its own",
    (CPU, USER, SYSTEM, SPEED),
    measure_traced,
    without=("nginx-tuned", "composectl-watched", "composectl-interpreted", "composectl-quiet", "composectl-logging"),
)
