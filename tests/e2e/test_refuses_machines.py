"""A machine without an engine or a Compose is told so in one line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.one_process

UP = ("up", "--balance", "echo=2", "-d")


@pytest.fixture
def forbidden_socket(tmp_path: Path) -> Iterator[Path]:
    """An engine's address that only root may talk to."""
    address = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()
        address.chmod(0)
        yield address


def test_no_engine(project: ComposeProject) -> None:
    error = cli_error_of(project, *UP, DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert error.exit_code == 1
    assert "/nonexistent/docker.sock" in error.message
    assert "running" in error.hint


def test_h20_an_engine_that_one_may_not_talk_to(project: ComposeProject, forbidden_socket: Path) -> None:
    error = cli_error_of(project, *UP, rights=unprivileged(), DOCKER_HOST=f"unix://{forbidden_socket}")
    assert error.exit_code == 1
    assert "permission denied" in error.message
    assert "group `docker`" in error.hint


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_an_address_that_is_none(project: ComposeProject) -> None:
    cli_error_of(project, *UP, DOCKER_HOST="carrier-pigeon://loft")


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_no_compose(project: ComposeProject, tmp_path: Path) -> None:
    error = cli_error_of(project, *UP, COMPOSECTL_COMPOSE=None, PATH=str(tmp_path), HOME=str(tmp_path))
    assert error.exit_code == 1
    assert "docker-compose" in error.message
    assert "COMPOSECTL_COMPOSE" in error.hint


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.parametrize("command", ["/bin/false", "/nonexistent/docker-compose", "/bin/echo"])
def test_a_compose_that_is_none(project: ComposeProject, command: str) -> None:
    error = cli_error_of(project, *UP, COMPOSECTL_COMPOSE=command)
    assert error.exit_code == 1
    assert f"`{command}`" in error.message
