"""How a rollout goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RolloutConfig:
    """`parallel`: so many new replicas at a time. `monitor`: the seconds of watching them before old ones leave.

    `ready_timeout`: the seconds to become ready. `canary`: the share of the requests at which one is held first.
    """

    parallel: int = 1
    monitor: float = 5.0
    ready_timeout: float = 60.0
    canary: float | None = None
