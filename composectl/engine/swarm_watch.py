"""Follows the tasks of services of a swarm: events of services and nodes are hints to list the tasks again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.watch import ReplicaObserver


@dataclass(frozen=True, slots=True)
class SwarmTiming:
    """Seconds: how often to list while something changes, and while nothing does, and how long a change lasts."""

    busy: float = 0.25
    calm: float = 2.0
    unrest: float = 5.0


@dataclass(slots=True)
class SwarmWatch:
    """Reports the running tasks of `services` to its observer until cancelled.

    `services`: Swarm's names of the services, by those that the observer knows.
    """

    engine: SwarmEngine
    services: Mapping[str, str]
    observer: ReplicaObserver
    timing: SwarmTiming = field(default_factory=SwarmTiming)

    async def run(self) -> NoReturn:
        """Follow the tasks until cancelled."""
        raise NotImplementedError
