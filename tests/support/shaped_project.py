"""The project of a shape, in a folder of its own, and how it is brought up and down."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.models.containers import Container

from tests.support.compose_project import ComposeProject
from tests.support.composes import command_of
from tests.support.paths import ROOT
from tests.support.placeholders import Placeholders, unique_block, unique_prefix
from tests.support.project import Finished
from tests.support.project_shape import Shape
from tests.support.wait import wait_until


class ShapedProject:
    """`finished` is the `up` that brought it up, and what composectl said."""

    finished: Finished

    def __init__(self, shape: Shape, compose: str, project: ComposeProject, image: str) -> None:
        self.shape = shape
        self.project = project
        project.file.unlink()
        networks = {"block": unique_block(), "prefix": unique_prefix()}
        self.values = Placeholders(image=image, project=project.name, **networks)
        project.folder = project.folder.parent / self.values.fill(shape.directory)
        project.file = _copy(shape.folder, project.folder, self.values)
        project.name = self.values.fill(shape.called.get(compose, "<project>"))

    def up(self) -> None:
        """Bring it up, and wait for all replicas to be ready."""
        self.finished = self.project.composectl(*self._words(self.shape.typed), stdin=self._stdin)
        assert self.finished.returncode == 0, self.finished.stderr
        assert wait_until(lambda: self._phases() == self._all_ready()), self._phases()

    def down(self) -> list[str]:
        """Take it down as a person does; what is left then."""
        words = self._words("down --volumes --rmi local --timeout 0")
        done = self.project.composectl(*words, stdin=self._stdin)
        said = [] if done.returncode == 0 else [done.stderr]
        return [*said, *self._volumes(), *self.project.cleanup()]

    def replicas(self, service: str) -> list[Container]:
        return [
            container
            for container in self.project.containers()
            if container.labels["com.docker.compose.service"] == service
        ]

    def status(self, service: str) -> dict[str, Any]:
        return next(status for status in self._status() if status["service"] == service)

    def words(self) -> list[str]:
        """What is typed to bring it up."""
        return self._words(self.shape.typed)

    def compose_lists(self) -> set[str]:
        """The ids of the containers that Compose itself finds, from the same folder."""
        listed = self.project.plain_compose(*self._words("ps -q"))
        assert listed.returncode == 0, listed.stderr
        return set(listed.stdout.split())

    # Private

    @property
    def _stdin(self) -> str:
        return self.project.file.read_text() if self.shape.on_stdin else ""

    def _words(self, command: str) -> list[str]:
        return shlex.split(self.values.fill(f"{self.shape.before} {command}"))

    def _status(self) -> list[dict[str, Any]]:
        services: list[dict[str, Any]] = json.loads(self.project.run(*self._words("status --json")))["services"]
        return services

    def _phases(self) -> dict[str, list[str]]:
        return {service["service"]: [backend["phase"] for backend in service["backends"]] for service in self._status()}

    def _all_ready(self) -> dict[str, list[str]]:
        return {service: ["ready"] * count for service, count in self.shape.replicas.items()}

    def _volumes(self) -> list[str]:
        mine = {"label": f"com.docker.compose.project={self.project.name}"}
        return [f"volume {volume.name}" for volume in self.project.engine.volumes.list(filters=mine)]


def shaped_project(shape: Shape, compose: str, engine: DockerClient, image: str) -> ShapedProject:
    """The shape's project for this Compose, which has not come up yet."""
    return ShapedProject(shape, compose, ComposeProject(command_of(compose), engine), image)


# Private

_FOLDERS = ROOT / "tests" / "compatibility" / "shapes"


def _copy(folder: str, target: Path, values: Placeholders) -> Path:
    """Copy the folder of a shape with its placeholders filled in; its compose file."""
    shutil.copytree(_FOLDERS / folder, target, dirs_exist_ok=True)
    files = [path for path in target.rglob("*") if path.is_file()]
    for file in files:
        file.write_text(values.fill(file.read_text()))
    return min(file for file in files if file.suffix in (".yml", ".yaml"))
