"""`deploy.update_config` of a service.

What reads it from a compose file is in `deploy.py`, which needs YAML.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpdateConfig:
    """`deploy.update_config` as it is written; None for a key that is not.

    `parallelism` is at least 1, or 0 for all at once. `delay` and `monitor` are in seconds. `stop_first`: old replicas
    leave before new ones come.
    """

    parallelism: int | None = None
    delay: float = 0.0
    monitor: float | None = None
    stop_first: bool = False
    failure_action: str | None = None  # pause, continue or rollback
