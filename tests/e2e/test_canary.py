"""The first replica of a rollout is held at a share of the requests until it is said how it goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.compose_project import ComposeProject
from tests.support.load_generator import LoadGenerator
from tests.support.project import Finished
from tests.support.resilience import Scenario
from tests.support.wait import wait_until

REQUESTS = 600


@pytest.fixture
def rolling(story: Scenario) -> Iterator[Scenario]:
    """Three replicas, and another definition."""
    story.serve(3)
    story.write("    labels:\n      version: 2\n")
    return story


@pytest.mark.slow
def test_held_at_a_tenth_and_then_gone_on_with(rolling: Scenario) -> None:
    old = ids(rolling)
    with rolling.under_load("rollout --canary 10%, --promote") as load:
        finished = begin_canary(rolling)
        assert_held(rolling, load)
        assert f"{name_of_canary(rolling)} is paused at 10% of the requests" in finished.stderr
        assert "canary 4 at 10%" in rolling.project.run("status")
        assert_nothing_else_goes(rolling)
        done = rolling.project.composectl("rollout", "echo", "--promote")
        assert done.returncode == 0, done.stderr
        assert done.stderr.endswith("echo: 3 of 3 ready\n")
    assert rolling.lost_nothing(load)
    assert len(ids(rolling)) == 3
    assert old.isdisjoint(ids(rolling))
    assert canaries(rolling) == []

    rolling.scale(4)
    assert {container.labels.get("version") for container in rolling.project.containers()} == {"2"}


def test_held_at_a_tenth_and_then_taken_back(rolling: Scenario) -> None:
    old = ids(rolling)
    with rolling.under_load("rollout --canary 10%, --abort") as load:
        begin_canary(rolling)
        assert_held(rolling, load)
        name = name_of_canary(rolling)
        done = rolling.project.composectl("rollout", "echo", "--abort")
        assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "echo: 3 of 3 ready")
        assert f"{name} is removed\n" in done.stderr
    assert rolling.lost_nothing(load)
    assert ids(rolling) == old
    assert canaries(rolling) == []

    rolling.scale(4)
    assert {container.labels.get("version") for container in rolling.project.containers()} == {None}


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_canary_that_has_died_is_told_when_it_is_to_go_on(rolling: Scenario) -> None:
    old = ids(rolling)
    begin_canary(rolling)
    rolling.container(4).kill()
    assert wait_until(lambda: len(rolling.phases()) == 3)
    done = rolling.project.composectl("rollout", "echo", "--promote")
    assert done.returncode == 1
    assert "error: rollout of `echo` aborted: " in done.stderr
    assert "ended with exit code 137" in done.stderr
    assert ids(rolling) == old


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_without_a_canary_there_is_nothing_to_say_of_it(rolling: Scenario) -> None:
    for option in ("--promote", "--abort"):
        finished = rolling.project.composectl("rollout", "echo", option)
        assert (finished.returncode, finished.stderr.splitlines()[0]) == (1, "error: service `echo` has no canary")


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_there_is_no_canary_where_clients_keep_their_replica(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "--policy", "source", "-d")
    error = cli_error_in(project.composectl("rollout", "echo", "--canary", "10%"))
    assert "`--canary` cannot be combined with `--policy source`" in error.message
    assert len(project.containers()) == 1


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_there_is_no_canary_where_a_hash_places_sessions(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "--sticky", "header:X-User", "-d")
    error = cli_error_in(project.composectl("rollout", "echo", "--canary", "10%"))
    assert "`--canary` cannot be combined with `--sticky header:X-User`" in error.message
    assert len(project.containers()) == 1


def begin_canary(story: Scenario) -> Finished:
    finished = story.project.composectl("rollout", "echo", "--canary", "10%", "--monitor", "1s")
    assert finished.returncode == 0, finished.stderr
    return finished


def assert_held(story: Scenario, load: LoadGenerator) -> None:
    """Four replicas are ready, and of what is sent from now on a tenth goes to the new one."""
    backends = story.project.status()["backends"]
    assert [(backend["phase"], backend["canary"]) for backend in backends] == [("ready", None)] * 3 + [("ready", 0.1)]
    before = len(load.fates)
    assert wait_until(lambda: len(load.fates) >= before + REQUESTS)
    addresses = [fate.backend for fate in load.fates[before : before + REQUESTS]]
    assert addresses.count(backends[-1]["address"]) == pytest.approx(REQUESTS / 10, abs=6)


def assert_nothing_else_goes(story: Scenario) -> None:
    """Neither scaling nor another rollout, `up` again or a handover, before it is said what becomes of the canary."""
    for words in (
        ("scale", "echo=2"),
        ("rollout", "echo"),
        ("up", "--balance", "echo=2", "-d"),
        ("up", "--balance", "echo=2", "--handover", "-d"),
    ):
        finished = story.project.composectl(*words)
        assert (finished.returncode, finished.stderr) == (
            1,
            "error: the rollout of service `echo` is paused at its canary\n\n"
            "hint: run `composectl rollout echo --promote` or `--abort`\n",
        )


def canaries(story: Scenario) -> list[str]:
    return [backend["name"] for backend in story.project.status()["backends"] if backend["canary"]]


def name_of_canary(story: Scenario) -> str:
    (name,) = canaries(story)
    return name


def ids(story: Scenario) -> set[str | None]:
    return {container.id for container in story.project.containers()}
