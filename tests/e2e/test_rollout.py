"""New replicas for old ones while clients come and go; what is no good is taken back."""

from __future__ import annotations

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.images import ECHO_IMAGE
from tests.support.load_generator import RequestLog, echo_load
from tests.support.project import Finished
from tests.support.wait import wait_until

OF_VERSION = """\
services:
  echo:
    image: {image}
    environment:
      VERSION: "{version}"
    ports:
      - "{port}:9090"
"""

OF_TWO = """\
services:
  first:
    image: {image}
    environment:
      VERSION: "first {first}"
    ports:
      - "{port}:9090"
  second:
    image: {image_of_second}
    environment:
      VERSION: "second {second}"
    ports:
      - "127.0.0.1::9090"
"""

COMMANDED = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "{script}"]
    ports:
      - "{port}:9090"
"""

NEVER_LISTENS = "trap 'exit 0' TERM; echo not today; sleep 600 & wait"
DIES = "echo kaboom; exit 3"
DIES_SOON = "httpd -p 9090 -h /www; sleep 2; echo that was it; exit 4"
ANSWERS_500 = (
    "mkdir -p /ill/cgi-bin; printf '#!/bin/sh\\\\necho Status: 500\\\\necho\\\\n' > /ill/cgi-bin/index.cgi;"
    " chmod +x /ill/cgi-bin/index.cgi; echo I am ill; trap 'exit 0' TERM; httpd -f -p 9090 -h /ill & wait"
)
SERVES_FOR_A_WHILE = (DIES_SOON, ANSWERS_500)


@pytest.fixture
def three(project: ComposeProject) -> ComposeProject:
    """A project with three replicas of version 1, ready."""
    project.write(OF_VERSION, version=1)
    project.run("up", "--balance", "echo=3", "-d")
    assert project.has_ready(3)
    return project


def test_all_are_new_and_no_request_is_lost(three: ComposeProject) -> None:
    old = ids(three)
    three.write(OF_VERSION, version=2)
    with echo_load(three.port, per_second=60) as load:
        finished = rolled_out(three, "--monitor", "500ms")
        assert finished.returncode == 0, finished.stderr
        new = {backend["address"] for backend in three.status()["backends"]}
        assert wait_until(lambda: new <= set(load.backends))
    assert load.failed == []
    assert versions(three) == ["2"] * 3
    assert not old & ids(three)
    assert_one_at_a_time(finished.stderr)
    assert finished.stderr.endswith("echo: 3 of 3 ready\n")

    three.run("scale", "echo=4")
    assert versions(three) == ["2"] * 4


@pytest.mark.slow
def test_without_a_change_they_are_exchanged_too_two_at_a_time(three: ComposeProject) -> None:
    old = ids(three)
    finished = rolled_out(three, "--monitor", "0", "--parallel", "2")
    assert finished.returncode == 0, finished.stderr
    assert len(ids(three)) == 3
    assert not old & ids(three)
    assert three.has_ready(3)


def test_one_that_never_listens_is_taken_back(three: ComposeProject) -> None:
    assert_taken_back(three, NEVER_LISTENS, "is not ready after 2 s", "not today", "--ready-timeout", "2s")


@pytest.mark.slow
def test_one_that_dies_at_once_is_taken_back(three: ComposeProject) -> None:
    assert_taken_back(three, DIES, "ended with exit code 3", "kaboom")


@pytest.mark.slow
def test_one_that_dies_while_it_is_watched_is_taken_back(three: ComposeProject) -> None:
    lost = assert_taken_back(three, DIES_SOON, "ended with exit code 4", "that was it", "--monitor", "20s")
    assert len(lost) <= 10  # those that it had at that moment


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_one_that_dies_after_it_was_watched_stops_the_rollout(three: ComposeProject) -> None:
    old = ids(three)
    three.write(COMMANDED, script=DIES_SOON)
    finished = rolled_out(three, "--monitor", "1s")
    assert finished.returncode == 1, finished.stderr
    assert "error: rollout of `echo` aborted: " in finished.stderr
    assert "ended with exit code 4; its last lines:\n  that was it\n" in finished.stderr
    assert old & ids(three)
    assert wait_until(lambda: versions(three) and ask(three.port).is_whole)


@pytest.mark.slow
def test_one_that_answers_500_is_taken_back(three: ComposeProject) -> None:
    lost = assert_taken_back(three, ANSWERS_500, "requests failed at", "I am ill", "--monitor", "20s")
    assert lost
    assert all(request.trouble.startswith("500 ") for request in lost), lost


def test_an_image_that_is_nowhere_leaves_everything_as_it_was(three: ComposeProject) -> None:
    old = ids(three)
    three.write(OF_VERSION.replace("{image}", "localhost:1/nowhere"), version=2)
    finished = rolled_out(three)
    assert finished.returncode == 1, finished.stderr
    error, _, hint = finished.stderr.partition("error: ")[2].partition("\n\nhint: ")
    assert error.startswith("rollout of `echo` aborted: ")
    assert "localhost:1" in error
    assert "\n" not in error
    assert hint == "the old replicas still serve; fix the cause and run `composectl rollout echo`\n"
    assert ids(three) == old
    assert three.has_ready(3)


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_each_service_stays_as_it_is_after_half_a_rollout(project: ComposeProject) -> None:
    project.write(OF_TWO, first=1, second=1, image_of_second=ECHO_IMAGE)
    project.run("up", "--balance", "first=1", "--balance", "second=1", "-d")
    project.write(OF_TWO, first=2, second=2, image_of_second="localhost:1/nowhere")
    finished = project.composectl("rollout", "first", "second", "--monitor", "0")
    assert finished.returncode == 1, finished.stderr
    assert sorted(versions(project)) == ["first 2", "second 1"]

    project.run("scale", "first=2", "second=2")
    assert sorted(versions(project)) == ["first 2", "first 2", "second 1", "second 1"]


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_without_names_all_are_rolled_out_behind_what_they_depend_on(project: ComposeProject) -> None:
    file = OF_TWO.replace("  second:", "    depends_on: [second]\n  second:")
    project.write(file, first=1, second=1, image_of_second=ECHO_IMAGE)
    project.run("up", "--balance", "first=1", "--balance", "second=1", "-d")
    project.write(file, first=2, second=2, image_of_second=ECHO_IMAGE)
    finished = project.composectl("rollout", "--monitor", "0")
    assert finished.returncode == 0, finished.stderr
    assert sorted(versions(project)) == ["first 2", "second 2"]
    removed = [line for line in finished.stderr.splitlines() if line.endswith(" removed")]
    assert [line.split("-")[-2] for line in removed] == ["second", "first"]


@pytest.mark.slow
def test_a_service_that_is_not_balanced_is_refused(three: ComposeProject) -> None:
    finished = three.composectl("rollout", "ech")
    assert (finished.returncode, finished.stderr.splitlines()[0]) == (1, "error: service `ech` is not balanced")


def rolled_out(project: ComposeProject, *words: str) -> Finished:
    return project.composectl("rollout", "echo", *words)


def assert_taken_back(project: ComposeProject, script: str, why: str, said: str, *words: str) -> list[RequestLog]:
    """The rollout fails for this reason, the old replicas serve on; what was lost, of the ill one alone."""
    old, addresses = ids(project), {backend["address"] for backend in project.status()["backends"]}
    project.write(COMMANDED, script=script)
    with echo_load(project.port, per_second=60) as load:
        finished = rolled_out(project, *words)
    assert finished.returncode == 1, finished.stderr
    error = finished.stderr.partition("error: ")[2]
    assert error.startswith("rollout of `echo` aborted: ")
    assert why in error
    assert f"\n  {said}\n" in error
    assert "hint: the old replicas still serve" in error
    assert ids(project) == old
    assert [backend["phase"] for backend in project.status()["backends"]] == ["ready"] * 3
    assert ask(project.port).is_whole

    project.run("scale", "echo=4")
    assert versions(project) == ["1"] * 4
    assert not [request for request in load.failed if request.backend in addresses]
    assert script in SERVES_FOR_A_WHILE or load.failed == []
    return load.failed


def assert_one_at_a_time(stderr: str) -> None:
    steps = [line for line in stderr.splitlines() if " starting" in line or " removed" in line]
    assert [step.rpartition(" ")[2] for step in steps] == ["starting", "removed"] * 3, stderr


def ids(project: ComposeProject) -> set[str | None]:
    return {container.id for container in project.containers()}


def versions(project: ComposeProject) -> list[str]:
    return [
        variable.removeprefix("VERSION=")
        for container in project.containers()
        for variable in container.attrs["Config"]["Env"]
        if variable.startswith("VERSION=")
    ]
