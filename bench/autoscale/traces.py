"""Requests per second over time: the shapes of load that an autoscaler meets."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, exp, pi
from random import Random

Rate = Callable[[float], float]
"""Requests per second at a second of the trace."""
SECONDS = 900.0
_QUIET, _BUSY = 6.0, 90.0


def step(at: float) -> float:
    return _BUSY if at >= SECONDS / 3 else _QUIET


def ramp(at: float) -> float:
    """Up for a third, there for a third, and down again."""
    third = SECONDS / 3
    return _QUIET + (_BUSY - _QUIET) * min(1.0, at / third, (SECONDS - at) / third)


def spike(at: float) -> float:
    """Fifteen seconds of six times the load."""
    return _BUSY if 300 <= at < 315 else _BUSY / 6


def on_off(at: float) -> float:
    return _BUSY * 2 / 3 if at % 180 < 90 else 2.0


def diurnal(at: float) -> float:
    """A day in a quarter of an hour."""
    return _QUIET + (_BUSY - _QUIET) * (1 - cos(2 * pi * at / SECONDS)) / 2


def azure(at: float) -> float:
    """Like the functions of the Azure traces of 2019: a slow wave, many short bursts of unlike size, and timers.

    Shahrad et al., "Serverless in the Wild", USENIX ATC 2020: invocations per minute follow the day, with a
    coefficient of variation above 1 for most functions; timers fire on the minute.
    """
    wave = 14 + 8 * cos(2 * pi * at / SECONDS * 2)
    bursts = sum(size * exp(-(at - begin) / length) for begin, size, length in _BURSTS if at >= begin)
    timer = 25.0 if at % 60 < 2 else 0.0
    return wave + bursts + timer


TRACES: dict[str, Rate] = {
    "step": step,
    "ramp": ramp,
    "spike": spike,
    "on/off": on_off,
    "diurnal": diurnal,
    "azure-like": azure,
}


def arrivals(rate: Rate, seed: int = 1) -> list[float]:
    """The moments of requests, as a Poisson process whose rate changes with time."""
    random, most = Random(seed), max(rate(second) for second in range(int(SECONDS))) * 1.2
    found, at = [], 0.0
    while (at := at + random.expovariate(most)) < SECONDS:
        if random.random() * most < rate(at):
            found.append(at)
    return found


# Private


def _bursts() -> list[tuple[float, float, float]]:
    """Beginning, requests per second and length; sizes and lengths have a heavy tail."""
    random = Random(2019)
    found, at = [], 0.0
    while (at := at + random.expovariate(1 / 45)) < SECONDS:
        found.append((at, min(90.0, 8 * random.paretovariate(1.2)), min(60.0, 6 * random.paretovariate(1.5))))
    return found


_BURSTS = _bursts()
