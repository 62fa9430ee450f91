"""A port that cannot be had is told with its owner, before anything is touched."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from docker.models.containers import Container

from tests.support.cli_error import cli_error_in, cli_error_of
from tests.support.compose_project import ComposeProject, NewComposeProject
from tests.support.http_client import ask
from tests.support.images import ECHO_IMAGE
from tests.support.project import ECHO
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.one_process


def test_held_by_a_process(project: ComposeProject) -> None:
    with socket.create_server(("", project.port)):
        error = cli_error_of(project, "up", "--balance", "echo=2", "-d")
    assert error.exit_code == 1
    assert f":{project.port}" in error.message
    assert str(os.getpid()) in error.message
    assert error.hint


def test_held_by_a_container(project: ComposeProject) -> None:
    with a_container_at(project) as holder:
        error = cli_error_of(project, "up", "--balance", "echo=2", "-d")
        assert f"`{holder.name}`" in error.message
        holder.reload()
        assert holder.status == "running"


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_held_by_the_composectl_of_another_project(new_project: NewComposeProject) -> None:
    first, second = new_project(), new_project()
    first.run("up", "--balance", "echo=1", "-d")
    second.port, second.runtime = first.port, first.runtime
    second.file.write_bytes(first.file.read_bytes())

    error = cli_error_in(second.composectl("up", "--balance", "echo=2", "-d"))
    assert f"`{first.name}`" in error.message
    assert second.containers() == []
    assert ask(first.port).is_whole


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_low_port_without_the_right_to_it(project: ComposeProject) -> None:
    project.port = 80
    project.write(ECHO)
    error = cli_error_of(
        project, "up", "--balance", "echo=2", "--backend-address", "container", "-d", rights=unprivileged()
    )
    assert error.exit_code == 1
    assert ":80" in error.message
    assert "1024" in error.hint


@contextmanager
def a_container_at(project: ComposeProject) -> Iterator[Container]:
    """A container of no project that publishes the port."""
    holder = project.engine.containers.run(ECHO_IMAGE, detach=True, ports={"9090/tcp": project.port})
    try:
        yield holder
    finally:
        holder.remove(force=True)
