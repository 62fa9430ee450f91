"""The engine is started again while a service sleeps, as a reboot does, with composectl or without it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from docker import DockerClient

from composectl.control.client import running_daemons
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.images import build_echo
from tests.support.own_engine import OwnEngine, own_engine
from tests.support.wait import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("compose", ["v2"], indirect=True)]


@pytest.fixture(scope="module")
def own() -> Iterator[OwnEngine]:
    with own_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def engine(own: OwnEngine) -> Iterator[DockerClient]:
    client = own.client()
    yield client
    client.close()


@pytest.fixture(scope="module")
def echo_image(engine: DockerClient) -> None:
    build_echo(engine)


@pytest.mark.parametrize("mode", ["stop", "pause"])
@pytest.mark.parametrize("dies", [False, True])
def test_a_request_wakes_it_after_the_engine_came_back(
    project: ComposeProject, own: OwnEngine, mode: str, dies: bool
) -> None:
    words = ("up", "--balance", "echo=0..2", "--sleep-after", "2s", "--sleep-mode", mode, "-d")
    project.run(*words)
    assert sleeps(project)
    (daemon,) = running_daemons(project.runtime / "composectl")
    if dies:
        os.kill(daemon.info.pid, signal.SIGKILL)
    own.stop()
    own.start()
    if dies:
        project.run(*words)
    assert ask(project.port).is_whole
    assert sleeps(project)
    assert ask(project.port).is_whole
    assert project.status()["totals"]["failed"] == 0


def sleeps(project: ComposeProject) -> bool:
    """Whether it comes to sleep, and its container to be stopped or paused."""
    return wait_until(lambda: project.status()["asleep"]) and wait_until(
        lambda: [found.status for found in project.containers()] in (["exited"], ["paused"])
    )
