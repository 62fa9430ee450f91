"""How many cores there are for this process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from composectl.config.cores import usable_cores


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    return tmp_path


def of(cgroups: Path, line: str) -> int:
    own = cgroups / "own"
    own.write_text(f"{line}\n")
    return usable_cores(cgroups, own)


def written(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_without_a_quota_the_affinity_counts(cgroups: Path) -> None:
    written(cgroups / "shop/cpu.max", "max 100000\n")
    assert of(cgroups, "0::/shop") == 8
    assert usable_cores(cgroups / "none", cgroups / "none") == 8


@pytest.mark.parametrize(("limit", "cores"), [("25000", 1), ("200000", 2), ("250000", 3)])
def test_a_part_of_a_core_is_one(cgroups: Path, limit: str, cores: int) -> None:
    written(cgroups / "shop/cpu.max", f"{limit} 100000\n")
    assert of(cgroups, "0::/shop") == cores


def test_the_quota_of_a_group_above_counts(cgroups: Path) -> None:
    written(cgroups / "shop/cpu.max", "200000 100000\n")
    written(cgroups / "shop/echo/cpu.max", "max 100000\n")
    assert of(cgroups, "0::/shop/echo") == 2


def test_version_1_has_two_files(cgroups: Path) -> None:
    written(cgroups / "cpu,cpuacct/shop/cpu.cfs_quota_us", "300000\n")
    written(cgroups / "cpu,cpuacct/shop/cpu.cfs_period_us", "100000\n")
    assert of(cgroups, "4:cpu,cpuacct:/shop") == 3


def test_this_process_may_use_one_at_least() -> None:
    assert usable_cores() >= 1
