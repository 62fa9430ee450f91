"""How many cores this process may use: by its affinity, and by the CPU quota of its cgroup."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """At least one; a part of a core counts as a core."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *map(ceil, _quotas(cgroups, own))]))


# Private


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """In cores, of the cgroup and of all above it: `cpu.max` in version 2, two files in version 1 (cgroups(7))."""
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            top = cgroups / controllers if controllers else cgroups
            group = top / path.lstrip("/")
            for folder in (group, *group.parents):
                if folder == top.parent:
                    break
                yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    with suppress(OSError, ValueError):
        limit, period = (folder / "cpu.max").read_text().split()
        yield int(limit) / int(period)
    with suppress(OSError, ValueError):
        limit, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if int(limit) > 0:
            yield int(limit) / int(period)
