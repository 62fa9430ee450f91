"""What it costs to ask: CPU of a whole process, the least of several, so that a busy machine does not count."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.support.proxy_process import Workspace, command_line

pytestmark = pytest.mark.serial

RUNS = 7


def test_telling_the_version_costs_less_than_100_ms(place: Workspace) -> None:
    assert least_cpu(place, "--version") < 0.1


def test_telling_the_status_costs_less_than_300_ms(place: Workspace) -> None:
    proxy = place.proxy(*(place.backend() for _ in range(10)))
    assert least_cpu(place, "status") < 0.3
    proxy.ends_by(signal.SIGINT)


def least_cpu(place: Workspace, *words: str) -> float:
    """Seconds of CPU, user and system, of the cheapest of several runs of `composectl WORDS`."""
    return min(cpu(place, *words) for _ in range(RUNS))


def cpu(place: Workspace, *words: str) -> float:
    process = subprocess.Popen(
        command_line(*words), cwd=place.folder, env=place.environment(), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
