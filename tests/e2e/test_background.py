"""`up -d`: on without the terminal, up again after the machine went down, and a log that stays."""

import os
import signal

import pytest

from tests.e2e.test_up_again import composectl_of
from tests.support.command_line import command_line
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.terminal import Terminal
from tests.support.wait import wait_until


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_it_outlives_its_terminal_and_its_log_outlives_it(project: ComposeProject) -> None:
    shell = ["/bin/sh", "-c", '"$@"; echo done; read nothing', "sh", *command_line("up", "--balance", "echo=2", "-d")]
    with Terminal(shell, project.folder, project.environment()) as terminal:
        assert terminal.shows(lambda text: "done" in text), terminal.screen.text
    assert project.has_ready(2)
    first = composectl_of(project)

    os.kill(first, signal.SIGKILL)  # as all that runs here does when a machine falls; the socket and the lock stay
    for container in project.containers():
        container.kill()
    output = project.run("up", "-d", "--balance", "echo=2")
    assert output == f"echo: 2 replicas behind 0.0.0.0:{project.port}, [::]:{project.port}\n"
    assert ask(project.port).is_whole
    second = composectl_of(project)

    project.run("down", "--timeout", "0")
    log = project.run("logs", "--balancer")
    assert [f", process {pid}\n" in log for pid in (first, second)] == [True, True]
    assert wait_until(lambda: "ended with exit code 0" in project.run("logs", "--balancer"))
    assert project.has_left_nothing()
