"""What containers use of the machine, as the Docker Engine API describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BILLION = 1e9
_KIB = 1024
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one container: `cpu` is the time of the CPUs that it has used, in seconds, divided by those that it may use.

    A container without a limit may use one. `memory`: bytes, without files that the kernel can forget.
    """

    cpu: float
    memory: int


def parse_usage(inspect: Mapping[str, Any], stats: Mapping[str, Any]) -> Usage:
    """Of the answers of GET /containers/{id}/json and .../stats."""
    used = (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    memory = stats.get("memory_stats") or {}
    details = memory.get("stats") or {}
    cached = details.get("inactive_file", details.get("total_inactive_file", 0))  # cgroup v2, v1
    seconds = used.get("total_usage", 0) / _BILLION
    return Usage(seconds / _cpus(inspect.get("HostConfig") or {}), max(0, memory.get("usage", 0) - cached))


def memory_of_machine(meminfo: Path = _MEMINFO) -> tuple[int, int] | None:
    """The bytes that are in use on this machine, and all that it has (proc(5)); None where that is not told."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    sizes = {line.split(":")[0]: int(line.split()[1]) * _KIB for line in lines if line.endswith("kB")}
    if "MemAvailable" not in sizes:
        return None
    return sizes["MemTotal"] - sizes["MemAvailable"], sizes["MemTotal"]


# Private


def _cpus(host_config: Mapping[str, Any]) -> float:
    """The CPUs that the container is limited to; 1 where it is not."""
    if nano := host_config.get("NanoCpus"):
        return float(nano) / _BILLION
    quota, period = host_config.get("CpuQuota") or 0, host_config.get("CpuPeriod") or 100_000
    return quota / period if quota > 0 else 1.0
