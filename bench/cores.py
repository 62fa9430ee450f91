"""Which process runs on which core: the proxies on one, the load, the backends and the benchmark on the other."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))

PROXY_CORE = _CORES[0]
LOAD_CORE = _CORES[-1]


def on(core: int, command: list[str]) -> list[str]:
    """The command that runs `command` on one core."""
    return ["taskset", "-c", str(core), *command]


def aside(command: list[str]) -> list[str]:
    """The command that runs `command` when its core has nothing else to do (sched(7), SCHED_IDLE)."""
    return ["chrt", "--idle", "0", *command]


def step_aside() -> None:
    """The same for this thread alone."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@contextmanager
def in_place() -> Iterator[None]:
    """Run this process with the load, and let a SIGTERM end it in order.

    Where we may, it and all that it starts go before what else the machine does.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.sched_setaffinity(0, {LOAD_CORE})
    before = _preference()
    _prefer("-20")
    try:
        yield
    finally:
        _prefer(before)


# Private

# The scheduler weighs the processes of a terminal as one (sched(7)), and `nice` within it.
_AUTOGROUP = Path("/proc/self/autogroup")


def _preference() -> str:
    try:
        said = _AUTOGROUP.read_text().split()  # "/autogroup-25 nice 0"; nothing where the kernel weighs by other groups
    except OSError:
        return "0"
    return said[-1] if said else "0"


def _prefer(nice: str) -> None:
    with suppress(OSError):
        _AUTOGROUP.write_text(nice)
