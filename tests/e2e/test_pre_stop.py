"""A service's `pre_stop` hooks run once in each replica that stops, whatever stops it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.wait import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("compose", ["v2"], indirect=True)]

HOOK = """\
services:
  echo:
    image: {image}
    ports: ["{port}:9090"]
    stop_grace_period: 1s
    volumes: ["{folder}:/hooks"]
    pre_stop:
      - command: ["sh", "-c", "echo $$HOSTNAME $$SAYS $$(pwd) >> /hooks/ran"]
        user: root
        working_dir: /www
        environment: {{SAYS: "100$$"}}
"""


@pytest.fixture
def ran(project: ComposeProject) -> Callable[[], list[str]]:
    """The replicas in which the hook has run."""
    file = project.folder / "ran"
    project.write(HOOK, folder=project.folder)

    def read() -> list[str]:
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        assert all(line[1:] == ["100$", "/www"] for line in lines)
        return [line[0] for line in lines]

    return read


def test_a_scale_a_rollout_and_down_run_it_once_each(project: ComposeProject, ran: Callable[[], list[str]]) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    names = {str(backend["id"])[:12] for backend in project.status()["backends"]}
    project.run("scale", "echo=1")
    assert len(ran()) == 1
    project.run("rollout", "--monitor", "0s")
    assert set(ran()) == names
    assert len(ran()) == 2
    (last,) = (str(backend["id"])[:12] for backend in project.status()["backends"])
    project.run("down")
    assert ran()[2:] == [last]


def test_ctrl_c_runs_it_once(project: ComposeProject, ran: Callable[[], list[str]]) -> None:
    with project.starts("up", "--balance", "echo=2") as composectl:
        assert wait_until(lambda: project.composectl("status").returncode == 0)
        assert project.has_ready(2)
        composectl.send_signal(signal.SIGINT)
        composectl.communicate(timeout=60)
    assert len(ran()) == len(set(ran())) == 2
