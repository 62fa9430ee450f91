"""A second Ctrl-C does not wait for anything any more."""

from __future__ import annotations

import pytest

from tests.support.command_line import command_line
from tests.support.compose_project import ComposeProject
from tests.support.http_client import HeldRequest
from tests.support.terminal import CTRL_C, Terminal
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

PATIENT = """\
services:
  echo:
    image: {image}
    stop_grace_period: 600s
    ports:
      - "{port}:9090"
"""


def test_the_first_waits_for_a_request_and_the_second_forces(project: ComposeProject) -> None:
    project.write(PATIENT)
    with Terminal(command_line("up", "--balance", "echo=1"), project.folder, project.environment()) as terminal:
        assert terminal.shows(lambda text: " ready " in text), terminal.screen.text
        held = HeldRequest(project.port)
        assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)

        terminal.type(CTRL_C)
        assert terminal.shows(lambda text: "draining" in text), terminal.screen.text
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        held.close()
    assert "the containers were killed: `composectl down` removes them" in terminal.written
    assert "Traceback" not in terminal.written
    assert project.own_leftovers() == []
