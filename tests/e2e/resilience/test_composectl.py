"""composectl itself is killed and started again, or hands over to another one; the replicas do not notice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.test_up_again import composectl_of
from tests.support.command_line import command_line
from tests.support.compose_project import ComposeProject
from tests.support.http_client import HeldRequest, ask
from tests.support.load_generator import LoadGenerator
from tests.support.resilience import Scenario
from tests.support.terminal import CTRL_C, Terminal
from tests.support.wait import wait_until

UP = ("up", "--balance", "echo=3")
STARTS = 16  # in two seconds, on a machine that is not busy
ATTEMPTS = 5  # a busy machine may be late now and then, composectl would be each time

SLOW_TO_BRING_UP = """\
#!/bin/sh
case " $* " in *" up "*) sleep 30 ;; esac
exec {compose} "$@"
"""


def test_killed_in_the_background_it_serves_soon_after_up(story: Scenario) -> None:
    def is_in_time() -> bool:
        runs = runs_of(story)
        os.kill(composectl_of(story.project), signal.SIGKILL)
        return serves_again_in_time(story, runs, "-d")

    story.serve(3)
    assert any(is_in_time() for _ in range(ATTEMPTS))


def test_killed_in_the_foreground_it_serves_soon_after_up(story: Scenario) -> None:
    def is_in_time() -> bool:
        with started_again(story.project):
            assert story.project.has_ready(3)
            runs = runs_of(story)
            os.kill(composectl_of(story.project), signal.SIGKILL)
        return serves_again_in_time(story, runs)

    story.write()
    assert any(is_in_time() for _ in range(ATTEMPTS))


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_request_during_the_check_of_compose_is_answered(story: Scenario) -> None:
    story.serve(2)
    project = story.project
    os.kill(composectl_of(project), signal.SIGKILL)
    slow = project.temporary / "compose"
    slow.write_text(SLOW_TO_BRING_UP.format(compose=project.environment()["COMPOSECTL_COMPOSE"]))
    slow.chmod(0o700)
    environment = project.environment(COMPOSECTL_COMPOSE=str(slow))
    with Terminal(command_line("up", "--balance", "echo=2"), project.folder, environment) as terminal:
        assert wait_until(lambda: serves(project))
        held = HeldRequest(project.port)
        assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)
        terminal.type(CTRL_C)
        assert held.finish().status == 200
        assert terminal.end() == 130, terminal.written
    slow.unlink()


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_nothing_is_lost_while_one_hands_over_to_the_next(story: Scenario) -> None:
    story.serve(3)
    runs = runs_of(story)
    took: list[float] = []
    with story.under_load("up --handover, three times") as load:
        for _ in range(3):
            before, began = composectl_of(story.project), time.monotonic()
            story.project.run(*UP, "--handover", "-d")
            took.append(time.monotonic() - began)
            assert composectl_of(story.project) != before
            assert goes_on(load)
    assert load.failed == []
    assert story.executed_twice() == []
    assert runs_of(story) == runs
    assert load.longest_wait < max(1, min(took) / 2)  # on a busy machine all takes longer


def serves_again_in_time(story: Scenario, runs: set[tuple[str, str]], *words: str) -> bool:
    """Whether a client is served within two seconds of `up`, beside what Compose takes; the replicas run on."""
    allowed = max(2.0, STARTS * seconds_of_start(story.project)) + seconds_of_compose(story.project)
    with started_again(story.project, *words) as seconds:
        assert story.project.has_ready(3)
        assert runs_of(story) == runs
        return seconds < allowed


@contextmanager
def started_again(project: ComposeProject, *words: str) -> Iterator[float]:
    """`up` is there, or was; the seconds until a client was served. In the end it is there no more."""
    began = time.monotonic()
    up = project.starts(*UP, *words)
    try:
        assert wait_until(lambda: serves(project))
        yield time.monotonic() - began
    finally:
        if "-d" not in words:
            up.terminate()
        up.communicate(timeout=120)


def seconds_of_start(project: ComposeProject) -> float:
    """What it takes to start composectl at all: an eighth of a second where nothing else runs."""
    began = time.monotonic()
    project.run("--version")
    return time.monotonic() - began


def seconds_of_compose(project: ComposeProject) -> float:
    """What Compose itself takes to tell its version and to read the file: almost a second in 1.29.2."""
    began = time.monotonic()
    for word in ("version", "config"):
        assert project.plain_compose(word).returncode == 0
    return time.monotonic() - began


def serves(project: ComposeProject) -> bool:
    try:
        return ask(project.port).status == 200
    except OSError:
        return False


def goes_on(load: LoadGenerator) -> bool:
    served = len(load.fates)
    return wait_until(lambda: len(load.fates) > served + 400)


def runs_of(story: Scenario) -> set[tuple[str, str]]:
    """Each container, and when it was started."""
    return {(str(container.id), container.attrs["State"]["StartedAt"]) for container in story.project.containers()}
