"""How one service is rolled out: what was asked for, over its `deploy.update_config`, over the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.compose.update_config import UpdateConfig
from composectl.control.commands import RolloutRequest

_MONITOR_SECONDS = 5.0
PAUSE, CONTINUE, ROLLBACK = "pause", "continue", "rollback"


@dataclass(frozen=True, slots=True)
class RolloutPace:
    """`parallel` replicas at a time, and `delay` seconds between these steps.

    `monitor`: the seconds for which new replicas are watched. `ready_timeout`: those to become ready, None for as long
    as the HEALTHCHECK says. `stop_first`: old ones leave before new ones come. `failure_action`: what becomes of the
    rollout when a new replica is rejected.
    """

    parallel: int
    monitor: float
    ready_timeout: float | None = None
    delay: float = 0.0
    stop_first: bool = False
    failure_action: str = PAUSE

    @property
    def is_fixed(self) -> bool:
        """Whether old replicas leave although new ones may not serve."""
        return self.stop_first or self.failure_action == CONTINUE


def pace_of(request: RolloutRequest, written: UpdateConfig, desired: int) -> RolloutPace:
    """The pace of one service, of which there are to be `desired` replicas; a `parallelism` of 0 means all at once."""
    at_once = desired if written.parallelism == 0 else written.parallelism
    monitors = (request.monitor_seconds, written.monitor, _MONITOR_SECONDS)
    return RolloutPace(
        parallel=request.parallel or at_once or 1,
        monitor=next(seconds for seconds in monitors if seconds is not None),
        ready_timeout=request.ready_timeout_seconds,
        delay=written.delay,
        stop_first=written.stop_first,
        failure_action=written.failure_action or PAUSE,
    )
