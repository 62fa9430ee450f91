"""Where several Composes are installed, the newest is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker import DockerClient

from tests.support.compose_project import ComposeProject
from tests.support.composes import command_of, version_of
from tests.support.project_shape import NEWEST, V1, V2_26


@pytest.mark.parametrize(
    ("plugin", "standalone", "found"),
    [
        (NEWEST, V1, "`docker compose` {plugin}; `docker-compose`: {standalone}\n"),
        (NEWEST, V2_26, "`docker compose` {plugin}; `docker-compose`: {standalone}\n"),
        (V2_26, NEWEST, "`docker-compose` {standalone}; `docker compose`: {plugin}\n"),
    ],
)
def test_the_newest_is_used(engine: DockerClient, tmp_path: Path, plugin: str, standalone: str, found: str) -> None:
    put(plugin, tmp_path / "cli-plugins")
    put(standalone, tmp_path / "bin")
    project = ComposeProject(command_of(NEWEST), engine)
    path = f"{tmp_path / 'bin'}:{project.environment()['PATH']}"
    output = project.run("doctor", COMPOSECTL_COMPOSE=None, PATH=path, DOCKER_CONFIG=str(tmp_path))
    assert found.format(plugin=version_of(plugin), standalone=version_of(standalone)) in output
    assert project.cleanup() == []


def put(compose: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "docker-compose").symlink_to(command_of(compose).resolve())
