"""`up --workers`: several processes balance one project, and follow what becomes of its replicas."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.test_handover import goes_on
from tests.e2e.test_up_again import composectl_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import burst
from tests.support.load_generator import echo_load
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


def test_scaling_and_rolling_out_lose_nothing_and_count_all(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "--workers", "2", "-d")
    assert project.has_ready(2)
    assert all(answer.is_whole for answer in burst(project.port, 1000, 10))
    assert project.status()["totals"]["requests"] == 1000
    with echo_load(project.port, per_second=60) as load:
        project.run("scale", "echo=4")
        assert goes_on(load)
        project.run("scale", "echo=1")
        project.run("rollout", "echo", "--monitor", "1s")
        assert goes_on(load)
    assert load.failed == []
    assert wait_until(lambda: project.status()["totals"]["in_flight"] == 0)
    assert project.status()["totals"]["requests"] == project.status()["totals"]["responses"]["2xx"]
    project.run("down")


def test_a_handover_may_change_their_number(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    listeners = project.status()["listeners"]
    with echo_load(project.port, per_second=60) as load:
        for workers in (3, 2, 1):
            before = composectl_of(project)
            project.run("up", "--balance", "echo=2", "--handover", "--workers", str(workers), "-d")
            assert composectl_of(project) != before
            assert project.status()["listeners"] == listeners
            assert goes_on(load)
    assert load.failed == []


def test_after_a_kill_of_the_daemon_another_up_serves_the_same_replicas(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "--workers", "2", "-d")
    assert project.has_ready(2)
    os.kill(composectl_of(project), signal.SIGKILL)
    assert wait_until(lambda: project.composectl("status").returncode != 0)
    project.run("up", "--balance", "echo=2", "--workers", "2", "-d")
    assert all(answer.is_whole for answer in burst(project.port, 100, 10))
