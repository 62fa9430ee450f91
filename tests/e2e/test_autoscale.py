"""A range: the load decides how many replicas there are, and no request is lost as they come and go."""

from __future__ import annotations

import os
import signal

import pytest

from composectl.control.client import running_daemons
from tests.support.closed_loop import ClosedLoop
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask, burst
from tests.support.images import BACKEND_IMAGE
from tests.support.wait import wait_until

BUSY = """\
services:
  echo:
    image: {backend}
    ports:
      - "{port}:9090"
"""
SOON = ("--stable-window", "5s", "--panic-window", "2s")


def desired(project: ComposeProject) -> int:
    return int(project.status()["desired"])


@pytest.mark.usefixtures("backend_image")
def test_it_grows_with_the_load_and_shrinks_without_it(project: ComposeProject) -> None:
    project.write(BUSY, backend=BACKEND_IMAGE)
    project.run("up", "--balance", "echo=1..3", "--max-in-flight", "1", *SOON, "-d")
    assert (desired(project), project.status()["range"]) == (1, "1..3")

    with ClosedLoop(project.port, 20, "/?sleep=0.05") as load:
        assert project.has_ready(3)
    assert wait_until(lambda: len(project.containers()) == 1)
    status = project.status()
    assert (status["desired"], status["totals"]["failed"], load.failed) == (1, 0, [])
    assert status["scalings"][0]["from"] == 1
    assert "in flight over" in status["scalings"][0]["reason"]
    assert (status["scalings"][-1]["to"], load.answered > 0) == (1, True)

    project.run("scale", "echo=2")
    assert (project.status()["range"], len(project.containers())) == ("", 2)
    assert project.status()["scalings"][-1]["reason"] == "asked for"
    project.run("scale", "echo=1..3")
    assert wait_until(lambda: len(project.containers()) == 1)


@pytest.mark.slow
@pytest.mark.usefixtures("backend_image")
def test_of_five_thousand_requests_none_fails_as_it_grows_to_five_and_shrinks(project: ComposeProject) -> None:
    project.write(BUSY, backend=BACKEND_IMAGE)
    project.run("up", "--balance", "echo=1..5", "--max-in-flight", "1", *SOON, "--scale-down-delay", "10s", "-d")
    with ClosedLoop(project.port, 5, "/?sleep=0.1") as few:
        assert wait_until(lambda: few.answered >= 100)
    with ClosedLoop(project.port, 50, "/?sleep=0.1") as many:
        assert project.has_ready(5)
        assert wait_until(lambda: few.answered + many.answered >= 5000, within=300)
    assert wait_until(lambda: len(project.containers()) == 1)
    totals = project.status()["totals"]
    assert (few.failed, many.failed, totals["failed"]) == ([], [], 0)
    assert totals["requests"] == few.answered + many.answered


# Sleep


def asleep(project: ComposeProject) -> bool:
    return wait_until(lambda: bool(project.status()["asleep"]))


def wakes(project: ComposeProject) -> int:
    """How often it was woken by a request."""
    return [scaling["reason"] for scaling in project.status()["scalings"]].count("a request came")


@pytest.mark.parametrize(
    ("mode", "state"), [("stop", "exited"), pytest.param("pause", "paused", marks=pytest.mark.slow)]
)
def test_it_sleeps_and_a_hundred_requests_at_once_wake_it_once(project: ComposeProject, mode: str, state: str) -> None:
    project.run("up", "--balance", "echo=0..1", "--sleep-after", "2s", "--sleep-mode", mode, "-d")
    assert asleep(project)
    (container,) = project.containers()
    assert wait_until(lambda: [found.status for found in project.containers()] == [state])
    assert "asleep" in project.run("status")
    assert state in project.plain_compose("ps", "-a").stdout.lower().replace("exit 0", "exited")
    assert wakes(project) == 0

    answers = burst(project.port, 100, 100)
    assert [answer for answer in answers if not answer.is_whole] == []
    status = project.status()
    assert (wakes(project), status["desired"], status["totals"]["failed"]) == (1, 1, 0)
    assert asleep(project)
    assert [found.id for found in project.containers()] == [container.id]


@pytest.mark.slow
def test_a_connection_wakes_it_and_no_cycle_loses_a_request(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=0..2", "--protocol", "tcp", "--sleep-after", "1s", "-d")
    for _ in range(3):
        assert asleep(project)
        assert ask(project.port).status == 200
    assert (wakes(project), project.status()["totals"]["failed"]) == (3, 0)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stop", "pause"])
def test_twenty_cycles_lose_none(project: ComposeProject, mode: str) -> None:
    project.run("up", "--balance", "echo=0..2", "--sleep-after", "1s", "--sleep-mode", mode, "-d")
    for cycle in range(20):
        assert asleep(project)
        assert all(answer.is_whole for answer in burst(project.port, 5, 5)), cycle
    assert project.status()["totals"]["failed"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stop", "pause"])
def test_after_a_kill_while_it_slept_it_is_brought_up_and_taken_down(project: ComposeProject, mode: str) -> None:
    words = ("up", "--balance", "echo=0..2", "--sleep-after", "2s", "--sleep-mode", mode, "-d")
    project.run(*words)
    assert asleep(project)
    (daemon,) = running_daemons(project.runtime / "composectl")
    os.kill(daemon.info.pid, signal.SIGKILL)
    project.run(*words)
    assert ask(project.port).is_whole
    assert asleep(project)
    project.run("scale", "echo=2")
    assert project.has_ready(2)
    project.run("down")
    assert project.has_left_nothing()
