"""How many examples a property gets: a few and always the same, or more, and new ones each time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_TIMES = int(os.environ.get("COMPOSECTL_TIMES_EXAMPLES", "1"))


def examples(few: int) -> settings:
    """`few` of them, times `COMPOSECTL_TIMES_EXAMPLES`."""
    return settings(
        max_examples=_TIMES * few,
        derandomize=_TIMES == 1,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
