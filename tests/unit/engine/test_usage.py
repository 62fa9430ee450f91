"""What containers use, in the answers of an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from composectl.engine.usage import Usage, memory_of_machine, parse_usage

STATS = {
    "cpu_stats": {"cpu_usage": {"total_usage": 6_000_000_000}},
    "memory_stats": {"usage": 5000, "stats": {"inactive_file": 2000}},
}


@pytest.mark.parametrize(
    ("host_config", "cpu"),
    [
        ({}, 6.0),
        ({"NanoCpus": 1_500_000_000}, 4.0),
        ({"NanoCpus": 0, "CpuQuota": 50_000, "CpuPeriod": 100_000}, 12.0),
        ({"CpuQuota": 200_000}, 3.0),
        ({"CpuQuota": -1}, 6.0),
    ],
)
def test_time_of_cpus_counts_as_a_share_of_those_that_it_may_use(host_config: dict[str, Any], cpu: float) -> None:
    assert parse_usage({"HostConfig": host_config}, STATS) == Usage(cpu, 3000)


def test_files_that_can_be_forgotten_are_not_in_use_on_an_older_kernel() -> None:
    stats = {"memory_stats": {"usage": 5000, "stats": {"total_inactive_file": 1000}}}
    assert parse_usage({}, stats) == Usage(0.0, 4000)
    assert parse_usage({}, {}) == Usage(0.0, 0)


def test_the_memory_in_use_is_what_is_not_available(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  400 kB\nHugePages_Total:  0\n")
    assert memory_of_machine(file) == (600 * 1024, 1000 * 1024)
    file.write_text("MemTotal: 1000 kB\n")
    assert memory_of_machine(file) is None
    assert memory_of_machine(tmp_path / "none") is None
