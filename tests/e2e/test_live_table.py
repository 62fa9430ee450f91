"""The live table, driven in a real terminal."""

from __future__ import annotations

import re

import pytest

from tests.support.command_line import command_line
from tests.support.compose_project import ComposeProject
from tests.support.http_client import burst
from tests.support.terminal import CTRL_C, Terminal

REPLICAS = 3
ROW = re.compile(r"\d:9090 +(starting|ready|unhealthy|draining|drained)")


def test_rows_appear_counts_rise_and_ctrl_c_ends_it(project: ComposeProject) -> None:
    with up(project) as terminal:
        assert terminal.shows(all_are_ready), terminal.screen.text
        assert all(container.name in terminal.screen.text for container in project.containers())

        burst(project.port, 60, concurrency=6)
        assert terminal.shows(lambda text: requests_in(text) == 60), terminal.screen.text
        burst(project.port, 30, concurrency=6)
        assert terminal.shows(lambda text: requests_in(text) == 90), terminal.screen.text

        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert "Traceback" not in terminal.written
    assert {container.status for container in project.containers()} == {"exited"}
    assert project.own_leftovers() == []


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_second_terminal_scales_what_the_first_one_shows(project: ComposeProject) -> None:
    with up(project) as terminal:
        assert terminal.shows(all_are_ready), terminal.screen.text

        project.run("scale", "echo=1")
        assert terminal.shows(lambda text: len(rows_in(text)) == 1), terminal.screen.text

        terminal.type(CTRL_C)
        assert terminal.end() == 130


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_down_in_a_second_terminal_ends_the_first(project: ComposeProject) -> None:
    with up(project) as terminal:
        assert terminal.shows(all_are_ready), terminal.screen.text

        project.run("down")
        terminal.end()
    assert "Traceback" not in terminal.written
    assert project.has_left_nothing()


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_small_terminal_without_colour_shows_the_replicas(project: ComposeProject) -> None:
    with up(project, rows=8, columns=40, NO_COLOR="1") as terminal:
        assert terminal.shows(lambda text: "ready" in text), terminal.screen.text
        assert not re.search(r"\x1b\[[\d;]*3[0-9]m", terminal.written)

        terminal.type(CTRL_C)
        assert terminal.end() == 130


def up(project: ComposeProject, rows: int = 40, columns: int = 140, **environment: str | None) -> Terminal:
    command = command_line("up", "--balance", f"echo={REPLICAS}")
    return Terminal(command, project.folder, project.environment(**environment), rows, columns)


def rows_in(text: str) -> list[str]:
    """The lines of the table that are about a backend."""
    return [line for line in text.splitlines() if ROW.search(line)]


def all_are_ready(text: str) -> bool:
    return len(rows_in(text)) == REPLICAS == sum(" ready " in row for row in rows_in(text))


def requests_in(text: str) -> int:
    """The sum over the rows of what stands in the column `requests`, which is the second number after the phase."""
    return sum(int(re.split(r" ready +", row)[1].split()[1]) for row in rows_in(text))
