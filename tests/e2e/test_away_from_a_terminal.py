"""`up` without a terminal and without `-d`: plain lines, and an end by signal."""

import signal
import subprocess

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.wait import wait_until


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.parametrize(("end", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_prints_a_line_for_each_change_until_it_is_ended(
    project: ComposeProject, end: signal.Signals, exit_code: int
) -> None:
    with project.starts("up", "--balance", "echo=2") as composectl:
        assert wait_until(lambda: both_are_ready(project, composectl))
        assert ask(project.port).is_whole
        composectl.send_signal(end)
        said, _ = composectl.communicate(timeout=60)

    assert composectl.returncode == exit_code
    assert "\x1b" not in said
    assert "Traceback" not in said
    assert sum("ready" in line for line in said.splitlines()) >= 2
    assert {container.status for container in project.containers()} == {"exited"}
    assert project.own_leftovers() == []


def both_are_ready(project: ComposeProject, composectl: subprocess.Popen[str]) -> bool:
    assert composectl.poll() is None
    if project.composectl("status").returncode != 0:
        return False
    return [backend["phase"] for backend in project.status()["backends"]] == ["ready", "ready"]
