"""The keys of the live table, typed in a real terminal of 80 x 24; what each does is seen in the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.command_line import command_line
from tests.support.compose_project import PRINTS, ComposeProject
from tests.support.http_client import ask
from tests.support.terminal import CTRL_C, Terminal
from tests.support.wait import wait_until

FAILS = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "httpd -p 9090 -h /www; while [ ! -e /fail ]; do sleep 0.1; done; echo disk is full; exit 5"]
    ports:
      - "{port}:9090"
"""
NEVER_READY = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "echo migrating the database; trap 'exit 0' TERM; sleep 600 & wait"]
    ports:
      - "{port}:9090"
"""
DOWN = "\x1b[B"
LOGS = re.compile(r"^logs of ", re.MULTILINE)


@contextmanager
def table(project: ComposeProject, *words: str) -> Iterator[Terminal]:
    """`composectl WORDS` in the foreground of a terminal, until it shows keys; Ctrl-C ends it."""
    with Terminal(command_line(*words), project.folder, project.environment(), 24, 80) as terminal:
        assert terminal.shows(lambda text: "? keys" in text), terminal.screen.text
        yield terminal
        terminal.type(CTRL_C)
        terminal.end()
        assert terminal.echoes()
        assert terminal.is_canonical()
    assert "Traceback" not in terminal.written


def press_twice(terminal: Terminal, key: str) -> None:
    """The key, and once more when it is asked for."""
    terminal.type(key)
    assert terminal.shows(lambda text: f"press {key} again" in text), terminal.screen.text
    terminal.type(key)
    assert terminal.shows(lambda text: f"press {key} again" not in text), terminal.screen.text


def pane(terminal: Terminal) -> str:
    """What stands below the title of the logs."""
    text = terminal.screen.text
    found = LOGS.search(text)
    return text[found.end() :] if found else ""


def ready_numbers(project: ComposeProject) -> list[int]:
    return [backend["number"] for backend in project.status()["backends"] if backend["phase"] == "ready"]


def test_plus_and_minus_scale(project: ComposeProject) -> None:
    with table(project, "up", "--balance", "echo=2") as terminal:
        assert project.has_ready(2)
        terminal.type("+")
        assert wait_until(lambda: project.status()["desired"] == 3)
        assert project.has_ready(3)
        assert terminal.shows(lambda text: "3/3 ready" in text), terminal.screen.text

        press_twice(terminal, "-")
        assert wait_until(lambda: project.status()["desired"] == 2)
        assert wait_until(lambda: len(project.containers()) == 2)
        assert terminal.shows(lambda text: "2/2 ready" in text), terminal.screen.text
        assert ask(project.port).status == 200


def test_d_drains_the_replica_that_is_chosen_and_returns_it(project: ComposeProject) -> None:
    with table(project, "up", "--balance", "echo=2") as terminal:
        assert project.has_ready(2)
        terminal.type(DOWN)
        assert terminal.shows(lambda text: re.search(r"^>2 .* ready ", text, re.MULTILINE) is not None)
        press_twice(terminal, "d")
        assert wait_until(lambda: [backend["phase"] for backend in project.status()["backends"]][1] == "maintenance")
        assert terminal.shows(lambda text: re.search(r"^>2 .*maintenance ", text, re.MULTILINE) is not None)
        terminal.type("d")
        assert project.has_ready(2)


@pytest.mark.slow
@pytest.mark.parametrize("table_of", ["up", "attach"])
def test_logs_go_on_through_scaling_and_a_rollout(project: ComposeProject, table_of: str) -> None:
    project.write(PRINTS, words="first")
    words = ["up", "--balance", "echo=2"]
    if table_of == "attach":
        project.run(*words, "-d")
        words = ["attach"]
    with table(project, *words) as terminal:
        assert project.has_ready(2)
        terminal.type("L")
        assert terminal.shows(lambda _: {"echo-1 | first", "echo-2 | first"} <= lines_of(pane(terminal)))
        terminal.type("+")
        assert terminal.shows(lambda _: "echo-3 | first" in lines_of(pane(terminal))), terminal.screen.text
        assert project.has_ready(3)

        project.write(PRINTS, words="second")
        old = {container.id for container in project.containers()}
        press_twice(terminal, "r")
        assert terminal.shows(lambda _: " | second" in pane(terminal)), terminal.screen.text
        assert wait_until(lambda: not old & {container.id for container in project.containers()}, within=120)
        assert project.has_ready(3)
        numbers = ready_numbers(project)
        assert terminal.shows(lambda _: f"echo-{numbers[-1]} | second" in lines_of(pane(terminal))), (
            terminal.screen.text
        )
        assert terminal.shows(lambda text: rows(text) == numbers), terminal.screen.text

        terminal.type("l")
        assert terminal.shows(lambda text: "logs of " in text and " | " not in pane(terminal)), terminal.screen.text
        assert terminal.shows(lambda _: "second" in lines_of(pane(terminal))), terminal.screen.text
        terminal.type("l")
        assert terminal.shows(lambda text: not LOGS.search(text))


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_the_last_lines_of_a_replica_that_fails_are_in_view(project: ComposeProject) -> None:
    project.write(FAILS)
    with table(project, "up", "--balance", "echo=2") as terminal:
        assert project.has_ready(2)
        project.containers()[0].exec_run(["touch", "/fail"])
        assert terminal.shows(lambda text: "| disk is full" in text and "exit code 5" in text), terminal.screen.text


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_the_last_lines_of_replicas_that_start_are_in_view(project: ComposeProject) -> None:
    project.write(NEVER_READY)
    with table(project, "up", "--balance", "echo=3", "--ready-timeout", "1s") as terminal:
        assert terminal.shows(lambda text: "| migrating the database" in text and "0/3 ready" in text)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_q_ends_it_and_stops_the_replicas(project: ComposeProject) -> None:
    with Terminal(command_line("up", "--balance", "echo=2"), project.folder, project.environment(), 24, 80) as terminal:
        assert terminal.shows(lambda text: "? keys" in text), terminal.screen.text
        terminal.type("q")
        assert terminal.shows(lambda text: "press q again" in text), terminal.screen.text
        terminal.type("q")
        assert terminal.end() == 130
    assert {container.status for container in project.containers()} == {"exited"}


def rows(text: str) -> list[int]:
    """The numbers of the replicas that the table shows."""
    return [int(number) for number in re.findall(r"^[> ](\d+) ", text, re.MULTILINE)]


def lines_of(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines()}
