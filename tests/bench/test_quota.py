"""Whose use of the processors is limited, and what is said where that cannot be done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import quota
from bench.process import family, proportional, resident
from bench.quota import leaves, limited
from tests.support.wait import wait_until


@pytest.fixture
def parent() -> Iterator[int]:
    """A process with two children."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60 & wait"]) as process:
        assert wait_until(lambda: len(family(process.pid)) == 3)
        children = family(process.pid)[1:]
        yield process.pid
        subprocess.run(["kill", *map(str, children)], check=True)


def test_the_processes_that_have_no_children_do_the_work(parent: int) -> None:
    assert leaves(parent) == family(parent)[1:]


def test_a_process_without_children_works_with_all_its_threads(parent: int) -> None:
    alone = family(parent)[1]
    assert leaves(alone) == [alone]
    with subprocess.Popen([sys.executable, "-c", _THREE], stdin=subprocess.PIPE) as process:
        assert wait_until(lambda: len(leaves(process.pid)) == 3)


def test_a_process_that_has_ended_does_no_work() -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    assert leaves(process.pid) == []


def test_a_process_takes_its_part_of_what_it_shares(parent: int) -> None:
    assert 0 < proportional(parent) < resident(parent)


def test_without_control_groups_it_is_said_and_nothing_is_limited(
    parent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "_CONTROLLER", tmp_path / "absent")
    with (
        pytest.raises(SystemExit, match="cannot limit what a thread uses: No such file or directory"),
        limited(leaves(parent), 0.25),
    ):
        pass


_THREE = """
import sys, threading
for _ in range(2):
    threading.Thread(target=sys.stdin.read, daemon=True).start()
sys.stdin.buffer.read()
"""
