"""A second Ctrl-C does not wait for anything any more."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.client import HTTPException

import pytest

from tests.support.compose_project import ComposeProject, command_line
from tests.support.http_client import ask
from tests.support.terminal import CTRL_C, Terminal
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

SLOW_SECONDS = 25

PATIENT = """\
services:
  echo:
    image: {image}
    stop_grace_period: 60s
    ports:
      - "{port}:9090"
"""


def test_the_first_one_waits_for_a_slow_request_and_the_second_forces(project: ComposeProject) -> None:
    project.write(PATIENT)
    with Terminal(command_line("up", "--balance", "echo=1"), project.folder, project.environment()) as terminal:
        assert terminal.shows(lambda text: " ready " in text), terminal.screen.text
        slow = threading.Thread(target=ask_in_vain, args=(project,))
        slow.start()
        assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)

        began = time.monotonic()
        terminal.type(CTRL_C)
        assert terminal.shows(lambda text: "draining" in text), terminal.screen.text
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert time.monotonic() - began < SLOW_SECONDS / 2
        slow.join()
    assert "Traceback" not in terminal.written
    assert project.own_leftovers() == []


def ask_in_vain(project: ComposeProject) -> None:
    with suppress(OSError, HTTPException):
        ask(project.port, f"/?sleep={SLOW_SECONDS}")
