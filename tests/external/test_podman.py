"""Podman's socket in place of Docker's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.composes import command_of
from tests.support.http_client import ask
from tests.support.images import build_echo
from tests.support.podman import podman_engine
from tests.support.project_shape import NEWEST


@pytest.fixture
def project() -> Iterator[ComposeProject]:
    with podman_engine() as engine:
        build_echo(engine)
        project = ComposeProject(command_of(NEWEST), engine)
        yield project
        project.stop()
        assert project.cleanup() == []


def test_a_service_is_balanced_scaled_and_rolled_out(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")
    assert project.has_ready(1)
    project.run("scale", "echo=2")
    assert len({ask(project.port).backend for _ in range(4)}) == 2

    before = {container.id for container in project.containers()}
    project.run("rollout", "echo", "--monitor", "0")
    assert project.has_ready(2)
    assert before.isdisjoint(container.id for container in project.containers())
    assert all(ask(project.port).is_whole for _ in range(6))
    assert project.run("port", "echo", "9090") == f"0.0.0.0:{project.port}\n"

    engine = next(check for check in json.loads(project.run("doctor", "--json"))["checks"] if check["what"] == "engine")
    assert engine["is_well"]
