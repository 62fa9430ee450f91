"""`composectl proxy --service` beside a project that Compose alone scales."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.cli_error import cli_error_in
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

UNPUBLISHED = """\
services:
  echo:
    image: {image}
    expose: {exposed}
"""
MUTE = """\
services:
  echo:
    image: busybox
    command: ["sleep", "1000"]
    init: true
"""


def test_replicas_come_and_go_and_requests_wait_where_none_is(project: ComposeProject) -> None:
    with_replicas(project, 0)
    with following(project), ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, project.port)
        assert wait_until(lambda: status(project)["totals"]["queued"] == 1)
        with_replicas(project, 2)
        assert waiting.result().is_whole
        assert comes_to(project, "ready", "ready")

        with_replicas(project, 1)
        assert comes_to(project, "ready")
        assert status(project)["desired"] == 1
        assert status(project)["totals"]["failed"] == 0


@pytest.mark.slow
def test_scaling_and_rolling_out_are_left_to_compose(project: ComposeProject) -> None:
    with_replicas(project, 1)
    with following(project):
        error = cli_error_in(project.composectl("-p", project.name, "scale", "echo=3"))
        assert (error.exit_code, error.message) == (
            1,
            "the proxy follows the replicas of service `echo`, and creates none",
        )
        assert f"`docker compose -p {project.name} up -d --no-recreate --scale echo=N`" in error.hint

        error = cli_error_in(project.composectl("-p", project.name, "rollout", "echo"))
        assert error.exit_code == 1
        assert error.message == f"proxy `{project.name}` creates no replicas: there is nothing to roll out"


@pytest.mark.parametrize(("exposed", "words"), [(["9090", "9443"], ()), (["80", "9090"], ("--port", "9090"))])
def test_of_several_ports_it_is_the_lowest_or_the_named_one(
    project: ComposeProject, exposed: list[str], words: tuple[str, ...]
) -> None:
    with_replicas(project, 1, exposed)
    with following(project, *words):
        assert comes_to(project, "ready")
        assert (ask(project.port).backend or "").endswith(":9090")


def test_a_service_that_exposes_no_port_is_refused(project: ComposeProject) -> None:
    with_replicas(project, 1, text=MUTE)
    error = cli_error_in(project.composectl(*follow(project)))
    assert error.exit_code == 1
    assert error.message == "service `echo` exposes no TCP port: the target port is unknown"
    assert "`--port 9090`" in error.hint


@pytest.mark.slow
def test_a_later_replica_that_exposes_no_port_is_reported(project: ComposeProject) -> None:
    with_replicas(project, 0, text=MUTE)
    proxy = project.starts(*follow(project))
    assert proxy.stdout
    assert (
        proxy.stdout.readline()
        == f"warning: no replica of echo runs yet in project {project.name}, which has no containers\n"
    )
    assert " behind " in proxy.stdout.readline()
    with_replicas(project, 1, text=MUTE)
    assert f"container `{project.name}-echo-1` exposes no TCP port" in proxy.stdout.readline()
    proxy.send_signal(signal.SIGTERM)
    assert proxy.wait(30) == 128 + signal.SIGTERM
    proxy.stdout.close()


def test_outside_a_container_the_project_has_to_be_named(project: ComposeProject) -> None:
    error = cli_error_in(project.composectl("proxy", "--service", "echo"))
    assert error.exit_code == 1
    assert "unknown project" in error.message
    assert "`composectl -p shop proxy`" in error.hint


# Private


def with_replicas(
    project: ComposeProject, number: int, exposed: list[str] | None = None, text: str = UNPUBLISHED
) -> None:
    """Bring up so many by Compose itself."""
    project.write(text, exposed=exposed or ["9090"])
    done = project.plain_compose("up", "-d", "--no-recreate", "--scale", f"echo={number}")
    assert done.returncode == 0, done.stderr


def follow(project: ComposeProject, *words: str) -> tuple[str, ...]:
    return ("-p", project.name, "proxy", "--service", "echo", "--listen", f"{project.port}", *words)


@contextmanager
def following(project: ComposeProject, *words: str) -> Iterator[None]:
    """A proxy in the background."""
    project.run(*follow(project, *words), "-d")
    try:
        yield
    finally:
        project.run("-p", project.name, "down")


def status(project: ComposeProject) -> dict[str, Any]:
    (service,) = json.loads(project.shows("-p", project.name, "status", "--json"))["services"]
    assert isinstance(service, dict)
    return service


def comes_to(project: ComposeProject, *phases: str) -> bool:
    return wait_until(lambda: [backend["phase"] for backend in status(project)["backends"]] == list(phases))
