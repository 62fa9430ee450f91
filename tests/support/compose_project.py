"""A compose project on one engine, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from docker import DockerClient
from docker.models.containers import Container
from docker.models.networks import Network

from tests.support import leftovers
from tests.support.project import Project

PRINTS = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "echo {words}; trap 'exit 0' TERM; httpd -f -p 9090 -h /www & wait"]
    ports:
      - "{port}:9090"
"""
"""A compose file whose replicas print `words` when they start."""


class ComposeProject(Project):
    """One project; `compose` is the Compose that composectl is told to use."""

    def __init__(self, compose: Path, engine: DockerClient) -> None:
        super().__init__(compose)
        self.engine = engine

    def traces(self) -> Sequence[tuple[str, ...]]:
        return [("containers", os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), self.name)]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/"

    def containers(self) -> list[Container]:
        return leftovers.containers(self.engine, self.name)

    def containers_of(self, service: str) -> list[Container]:
        found = self.containers()
        return [container for container in found if container.labels["com.docker.compose.service"] == service]

    def networks(self) -> list[Network]:
        return leftovers.networks(self.engine, self.name)

    def leftovers(self) -> list[str]:
        return [*leftovers.of_docker(self.engine, self.name), *self.own_leftovers()]

    def stop(self) -> None:
        super().stop()
        leftovers.remove_stale_networks(self.engine, self.name)

    def remove(self) -> None:
        leftovers.remove(self.engine, self.name)


NewComposeProject = Callable[[], ComposeProject]
