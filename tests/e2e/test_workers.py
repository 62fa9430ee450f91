"""`up --workers`: several processes balance one project, and follow what becomes of its replicas."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.test_autoscale import BUSY, SOON
from tests.e2e.test_handover import goes_on
from tests.e2e.test_sleep import asleep, wakes
from tests.e2e.test_up_again import composectl_of
from tests.support.closed_loop import ClosedLoop
from tests.support.compose_project import ComposeProject
from tests.support.http_client import burst
from tests.support.images import BACKEND_IMAGE
from tests.support.load_generator import echo_load
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.usefixtures("backend_image")
def test_the_load_of_all_workers_decides_how_many_replicas_there_are(project: ComposeProject) -> None:
    project.write(BUSY, backend=BACKEND_IMAGE)
    options = ("--workers", "2", "--max-in-flight", "1", "--sleep-after", "3s", *SOON)
    project.run("up", "--balance", "echo=0..3", *options, "-d")
    with ClosedLoop(project.port, 20, "/?sleep=0.05") as load:
        assert project.has_ready(3)
    assert asleep(project)
    assert {answer.status for answer in burst(project.port, 100, 100)} == {200}
    assert asleep(project)
    totals = project.status()["totals"]
    assert (wakes(project), load.failed, totals["failed"]) == (1, [], 0)
    assert totals["requests"] == load.answered + 100
