"""Bodies: large ones by the CPU second, smaller ones and uploads by the request."""

from __future__ import annotations

from collections.abc import Mapping

from bench.downloads import download
from bench.figures import FAILED, WAITED, Figure
from bench.parts.cpu import CPU, SPEED, SYSTEM, USER, measure
from bench.parts.part import Measure, Part, Target
from bench.process import spent
from bench.wrk import Load

PER_CPU_SECOND = Figure("relayed", "MB/CPU second", 0)
PER_SECOND = Figure("relayed", "MB/s", 0)

_LARGE = Load("/10m", connections=16)


def _measure_large(target: Target, seconds: int) -> Mapping[Figure, float]:
    before = spent(target.pid)
    outcome = download(_LARGE, target.port, seconds)
    took = spent(target.pid) - before
    return {
        PER_CPU_SECOND: outcome.received / 1e6 / took.ran,
        PER_SECOND: outcome.received / 1e6 / outcome.seconds,
        WAITED: 100 * took.waited / outcome.seconds,
        FAILED: outcome.failed,
    }


def _measuring(load: Load) -> Measure:
    return lambda target, seconds: measure(load, target, seconds)[1]


_PER_REQUEST = (CPU, USER, SYSTEM, SPEED)
_VARIANTS = ("composectl-interpreted", "composectl-quiet", "composectl-logging", "composectl-watched")
LARGE = Part("10m", "Bodies of 10 MiB, 16 connections", (PER_CPU_SECOND, PER_SECOND), _measure_large, without=_VARIANTS)
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
PARTS = (LARGE, MIDDLE, UPLOAD, CLOSING)
