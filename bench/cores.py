"""Who runs on which core: the proxies on one, the load, the backends and ourselves on the other."""

from __future__ import annotations

import os

_CORES = sorted(os.sched_getaffinity(0))

PROXY_CORE = _CORES[0]
LOAD_CORE = _CORES[-1]


def on(core: int, command: list[str]) -> list[str]:
    """The command that runs `command` on one core."""
    return ["taskset", "-c", str(core), *command]


def stay_off_the_proxy_core() -> None:
    """Run this process with the load."""
    os.sched_setaffinity(0, {LOAD_CORE})
