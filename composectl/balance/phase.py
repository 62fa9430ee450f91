"""The phases of a backend and the only table by which they change."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a backend is in its life; only `READY` gets requests."""

    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    MAINTENANCE = "maintenance"
    DRAINING = "draining"
    DRAINED = "drained"
    GONE = "gone"


class Signal(StrEnum):
    """What can happen to a backend."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DISABLE = "disable"
    ENABLE = "enable"
    DRAIN = "drain"
    IDLE = "idle"
    REMOVED = "removed"


_LEAVES: Final = {Signal.DRAIN: Phase.DRAINING, Signal.REMOVED: Phase.GONE}
# Intent beats observation: a backend in maintenance, or draining, ignores health. Maintenance is a phase of its own
# since its replica stays: an `enable` must never send requests to a container that is about to stop.
TABLE: Final[dict[Phase, dict[Signal, Phase]]] = {
    Phase.STARTING: {Signal.HEALTHY: Phase.READY, Signal.DISABLE: Phase.MAINTENANCE, **_LEAVES},
    Phase.READY: {Signal.UNHEALTHY: Phase.UNHEALTHY, Signal.DISABLE: Phase.MAINTENANCE, **_LEAVES},
    Phase.UNHEALTHY: {Signal.HEALTHY: Phase.READY, Signal.DISABLE: Phase.MAINTENANCE, **_LEAVES},
    Phase.MAINTENANCE: {Signal.ENABLE: Phase.STARTING, **_LEAVES},
    Phase.DRAINING: {Signal.IDLE: Phase.DRAINED, Signal.REMOVED: Phase.GONE},
    Phase.DRAINED: {Signal.REMOVED: Phase.GONE},
    Phase.GONE: {},
}


def after(phase: Phase, signal: Signal) -> Phase | None:
    """The phase that `signal` leads to, or None where the signal changes nothing."""
    return TABLE[phase].get(signal)
