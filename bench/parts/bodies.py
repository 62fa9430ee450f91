"""Bodies: large ones by the CPU second, smaller ones and uploads by the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.backends import FILES
from bench.downloads import download
from bench.figures import FAILED, WAITED, Figure
from bench.parts.cpu import CPU, SPEED, SYSTEM, USER, measure
from bench.parts.part import Measure, Part, Target
from bench.process import spent
from bench.uploads import taking_uploads, upload
from bench.wrk import Load, Outcome

PER_CPU_SECOND = Figure("relayed", "MB/CPU second", 0)
PER_SECOND = Figure("relayed", "MB/s", 0)

_LARGE = Load("/10m", connections=16)


def relaying(target: Target, load: Callable[[], Outcome]) -> Mapping[Figure, float]:
    """How much was relayed under a load, by the CPU second of the proxy and by the second."""
    before = spent(target.pid)
    outcome = load()
    took = spent(target.pid) - before
    return {
        PER_CPU_SECOND: outcome.received / 1e6 / took.ran,
        PER_SECOND: outcome.received / 1e6 / outcome.seconds,
        WAITED: 100 * took.waited / outcome.seconds,
        FAILED: outcome.failed,
    }


# Private


def _measure_large(target: Target, seconds: int) -> Mapping[Figure, float]:
    return relaying(target, lambda: download(_LARGE, target.port, seconds))


def _measure_large_uploads(target: Target, seconds: int) -> Mapping[Figure, float]:
    return relaying(target, lambda: upload(target.port, FILES[_LARGE.path], _LARGE.connections, seconds))


def _measuring(load: Load) -> Measure:
    return lambda target, seconds: measure(load, target, seconds)[1]


_PER_REQUEST = (CPU, USER, SYSTEM, SPEED)
_VARIANTS = ("composectl-interpreted", "composectl-quiet", "composectl-logging", "composectl-watched")
LARGE = Part("10m", "Bodies of 10 MiB, 16 connections", (PER_CPU_SECOND, PER_SECOND), _measure_large, without=_VARIANTS)
LARGE_UPLOAD = Part(
    "10m-up",
    "Uploads of 10 MiB, 16 connections",
    (PER_CPU_SECOND, PER_SECOND),
    _measure_large_uploads,
    without=_VARIANTS,
    behind=taking_uploads,
)
MIDDLE = Part("64k", "Bodies of 64 KiB, 64 connections", _PER_REQUEST, _measuring(Load("/64k")), without=_VARIANTS)
UPLOAD = Part(
    "post",
    "POST of 16 KiB, 64 connections",
    _PER_REQUEST,
    _measuring(Load(method="POST", body=16 * 1024)),
    without=_VARIANTS,
)
CLOSING = Part(
    "connect", "A new connection per request, 64 at once", _PER_REQUEST, _measuring(Load(close=True)), without=_VARIANTS
)
PARTS = (LARGE, LARGE_UPLOAD, MIDDLE, UPLOAD, CLOSING)
