"""A compose file says by itself how its services are balanced; `composectl up` alone is enough."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from http.client import HTTPException

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject, NewComposeProject
from tests.support.http_client import Answer, ask, is_answered_by_docker
from tests.support.wait import wait_until

SLOW_SECONDS = 40  # longer than is waited without `drain_timeout`

A_NUMBER = """\
services:
  echo:
    image: {image}
    x-balance: ${{REPLICAS:-3}}
    ports:
      - "{port}:9090"
"""

A_MAPPING = """\
services:
  front:
    image: {image}
    depends_on: [echo]
  echo:
    image: {image}
    deploy:
      replicas: 2
    x-balance: {mapping}
    ports:
      - "{port}:9090"
"""

OF_2016 = """\
echo:
  image: {image}
  x-balance: 3
  ports:
    - "{port}:9090"
"""


@pytest.mark.slow
def test_a_number_of_replicas_that_comes_of_a_variable(project: ComposeProject) -> None:
    project.write(A_NUMBER)
    summary = project.run("up", "-d")
    assert summary.startswith("echo: 3 replicas behind ")
    assert project.has_ready(3)
    assert ask(project.port).is_whole

    project.run("scale", "echo=1")
    project.run("up", "-d", REPLICAS="2")
    assert project.has_ready(2)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_mapping_and_flags_that_win_over_it(new_project: NewComposeProject) -> None:
    project = new_project()
    project.write(
        A_MAPPING, mapping="{policy: p2c, backend_header: false, listen: '127.0.0.1:" + str(project.port) + "'}"
    )
    project.run("up", "-d", "front")
    assert (project.status()["desired"], project.status()["policy"]) == (2, "p2c")
    assert project.status()["listeners"] == [f"127.0.0.1:{project.port}"]
    assert ask(project.port).backend is None
    project.run("down", "--timeout", "0")

    project.run("up", "--balance", "echo=1", "--policy", "random", "-d")
    assert (project.status()["desired"], project.status()["policy"]) == (1, "random")


@pytest.mark.parametrize("mapping", ["{{replica: 3}}", "{{policy: lucky}}", "ten"])
def test_what_makes_no_sense_is_refused(project: ComposeProject, mapping: str) -> None:
    project.write(A_MAPPING, mapping=mapping.format())
    error = cli_error_of(project, "up", "-d")
    assert error.exit_code == 1
    assert error.message.startswith("`x-balance` of service `echo`: ")


@pytest.mark.smoke
@pytest.mark.parametrize("compose", ["1.29.2"], indirect=True)
def test_docker_compose_1_knows_no_such_key_in_a_file_of_2016(project: ComposeProject) -> None:
    project.write(OF_2016)
    error = cli_error_of(project, "up", "-d")
    assert "Unsupported config option for echo: 'x-balance'" in error.message
    assert "`services:`" in error.hint


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_file_on_standard_input_may_declare_it_too(project: ComposeProject) -> None:
    project.write(A_NUMBER)
    text = project.file.read_text()
    assert project.run("-f", "-", "-p", project.name, "up", "-d", stdin=text).startswith("echo: 3 replicas")
    assert project.run("-f", "-", "-p", project.name, "up", "-d", stdin=text).startswith("echo: 3 replicas")
    assert project.has_ready(3)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_without_it_a_file_on_stdin_goes_to_compose_as_it_is(project: ComposeProject) -> None:
    text = project.file.read_text()
    project.file.unlink()
    project.run("-f", "-", "-p", project.name, "up", "-d", stdin=text)
    assert len(project.containers()) == 1
    assert wait_until(lambda: is_answered_by_docker(project.port))
    project.write(text)
    project.plain_compose("down", "--timeout", "0")


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_no_time_to_drain_is_none_when_a_replica_leaves(project: ComposeProject) -> None:
    project.write(A_MAPPING, mapping="{replicas: 1, drain_timeout: 0}")
    project.run("up", "-d")
    answers: list[Answer | None] = []
    slow = threading.Thread(target=lambda: answers.append(answered(project.port, f"/?sleep={SLOW_SECONDS}")))
    slow.start()
    assert wait_until(lambda: project.status()["totals"]["in_flight"] == 1)

    project.run("scale", "echo=0")
    slow.join()
    (answer,) = answers
    assert answer is None or not answer.is_whole
    draining, drained = (datetime.fromisoformat(change["at"]) for change in project.status()["changes"][-2:])
    assert drained - draining < timedelta(seconds=8), project.status()["changes"]


def answered(port: int, path: str) -> Answer | None:
    with suppress(OSError, HTTPException):
        return ask(port, path)
    return None
