"""A range from zero: without a request its last replica is stopped, and the next request wakes it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from composectl.control.client import running_daemons
from tests.e2e.test_up_again import composectl_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask, burst
from tests.support.images import ECHO_IMAGE
from tests.support.ports import free_port
from tests.support.wait import is_seen, wait_until

WITH_HEALTHCHECK = """\
services:
  echo:
    image: {image}
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:9090/"]
      interval: 1s
    ports:
      - "{port}:9090"
"""
SECONDS_MORE = 1.5
STATES = {"stop": "exited", "pause": "paused"}
ANEW = {"stop": "start", "pause": "unpause"}
"""What Compose calls it when a container that was put to sleep is to run again."""


def asleep(project: ComposeProject) -> bool:
    return wait_until(lambda: bool(project.status()["asleep"]))


def scalings(project: ComposeProject) -> list[tuple[int, int, str]]:
    """Each change of the desired number: from, to, and the reason."""
    return [(each["from"], each["to"], each["reason"]) for each in project.status()["scalings"]]


def wakes(project: ComposeProject) -> int:
    """How often it was woken by a request."""
    return scalings(project).count((0, 1, "a request came"))


@pytest.mark.parametrize("mode", ["stop", pytest.param("pause", marks=pytest.mark.slow)])
def test_it_sleeps_and_a_hundred_requests_at_once_wake_it_once(project: ComposeProject, mode: str) -> None:
    state = STATES[mode]
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
    assert (wakes(project), status["totals"]["failed"]) == (1, 0)
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


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize("mode", ["stop", "pause"])
def test_the_first_request_waits_little_longer_than_the_container_takes_to_start(
    project: ComposeProject, mode: str
) -> None:
    project.run("up", "--balance", "echo=0..2", "--sleep-after", "1s", "--sleep-mode", mode, "-d")
    own = seconds_to_start(project)
    for _ in range(3):
        assert asleep(project)
        assert wait_until(lambda: [found.status for found in project.containers()] == [STATES[mode]])
        began = time.monotonic()
        assert ask(project.port).is_whole
        assert time.monotonic() - began < own + SECONDS_MORE


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stop", "pause"])
def test_what_compose_starts_by_hand_is_awake_and_may_sleep_again(project: ComposeProject, mode: str) -> None:
    project.run("up", "--balance", "echo=0..2", "--sleep-after", "2s", "--sleep-mode", mode, "-d")
    assert asleep(project)
    assert wait_until(lambda: [found.status for found in project.containers()] == [STATES[mode]])
    assert project.plain_compose(ANEW[mode], "echo").returncode == 0
    assert wait_until(lambda: (0, 1, "something else has started a replica") in scalings(project))
    assert asleep(project)
    assert (ask(project.port).is_whole, scalings(project)[-1]) == (True, (0, 1, "a request came"))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stop", "pause"])
def test_a_handover_lets_it_sleep_on_and_a_request_wakes_it(project: ComposeProject, mode: str) -> None:
    words = ("up", "--balance", "echo=0..2", "--sleep-after", "2s", "--sleep-mode", mode, "-d")
    project.run(*words)
    for _ in range(2):
        assert asleep(project)
        (container,) = project.containers()
        before = composectl_of(project)
        project.run(*words, "--handover")
        assert composectl_of(project) != before
        assert project.status()["asleep"]
        assert ask(project.port).is_whole
        assert [found.id for found in project.containers()] == [container.id]
    assert asleep(project)
    project.run("up", "--balance", "echo=2", "--handover", "-d")
    assert project.has_ready(2)
    assert project.status()["totals"]["failed"] == 0


@pytest.mark.slow
def test_what_looks_at_it_wakes_nothing(project: ComposeProject) -> None:
    metrics, dashboard = free_port(), free_port()
    project.write(WITH_HEALTHCHECK)
    looks = ("--metrics", f"{metrics}", "--dashboard", f"{dashboard}", "--health-check-path", "/")
    project.run("up", "--balance", "echo=0..2", "--sleep-after", "2s", *looks, "-d")

    def is_awake_after_a_look() -> bool:
        assert ask(metrics, "/metrics", host="127.0.0.1").status == 200
        assert ask(dashboard, "/", host="127.0.0.1").status in (200, 303, 401, 403)
        project.run("status")
        project.plain_compose("ps")
        return not project.status()["asleep"]

    assert wait_until(lambda: not is_awake_after_a_look())
    assert not is_seen(is_awake_after_a_look, within=0.5)
    assert wakes(project) == 0
    assert "composectl_asleep{" in ask(metrics, "/metrics", host="127.0.0.1").text


def seconds_to_start(project: ComposeProject) -> float:
    """The median of three containers of the same image, from the order to the first answer."""
    return sorted(_seconds_to_start_one(project) for _ in range(3))[1]


def _seconds_to_start_one(project: ComposeProject) -> float:
    container = project.engine.containers.create(ECHO_IMAGE)
    try:
        began = time.monotonic()
        container.start()
        container.reload()
        address = container.attrs["NetworkSettings"]["IPAddress"]
        assert wait_until(lambda: answers(address))
        return time.monotonic() - began
    finally:
        container.remove(force=True)


def answers(address: str) -> bool:
    try:
        return ask(9090, host=address).status == 200
    except OSError:
        return False
