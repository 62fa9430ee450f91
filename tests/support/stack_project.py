"""A project that is deployed as a stack on a swarm of one node."""

from __future__ import annotations

from typing import Any

from docker.models.containers import Container
from docker.models.networks import Network

from tests.support.compose_project import ComposeProject
from tests.support.composes import command_of
from tests.support.project_shape import NEWEST, Shape
from tests.support.shaped_project import ShapedProject
from tests.support.wait import wait_until

SERVICE = "com.docker.swarm.service.name"
_IN_SWARM = "up --swarm --resolve-image never"  # there is no registry


class StackProject(ComposeProject):
    """What Docker knows it by is the name of the stack."""

    def containers(self) -> list[Container]:
        """Those of its tasks that run."""
        found = self.engine.containers.list(filters=self.label, ignore_removed=True)
        return [container for container in found if container.status == "running"]

    def networks(self) -> list[Network]:
        return self.engine.networks.list(filters=self.label)

    def leftovers(self) -> list[str]:
        containers = self.engine.containers.list(all=True, filters=self.label, ignore_removed=True)
        found = {
            "service": self.engine.services.list(filters=self.label),
            "container": containers,
            "network": self.networks(),
            "config": self.engine.configs.list(filters=self.label),
            "secret": self.engine.secrets.list(filters=self.label),
        }
        things = [f"{kind} {thing.name}" for kind, each in found.items() for thing in each]
        return [*things, *self.own_leftovers()]

    def stop(self) -> None:
        self.composectl("down", "--swarm")

    def remove(self) -> None:
        for service in self.engine.services.list(filters=self.label):
            service.remove()
        wait_until(lambda: not self.containers(), within=30)
        for network in self.networks():
            network.remove()

    @property
    def label(self) -> dict[str, Any]:
        return {"label": f"com.docker.stack.namespace={self.name}"}


class ShapedStack(ShapedProject):
    """The project of a shape: whatever brings it up deploys a stack."""

    project: StackProject

    def replicas(self, service: str) -> list[Container]:
        name = f"{self.project.name}_{service}"
        return [container for container in self.project.containers() if container.labels[SERVICE] == name]

    def compose_lists(self) -> set[str]:
        """The ids of the containers that Docker itself finds in the stack."""
        tasks = self.project.engine.api.tasks({**self.project.label, "desired-state": "running"})
        return {task["Status"]["ContainerStatus"]["ContainerID"] for task in tasks}

    def down(self) -> list[str]:
        """Volumes belong to their nodes, and `docker stack rm` leaves them there."""
        left = super().down()
        for volume in self.project.engine.volumes.list(filters=self.project.label):
            volume.remove()
        return left

    # Private

    def _words(self, command: str) -> list[str]:
        return super()._words(command.replace("up", _IN_SWARM, 1) if command.startswith("up ") else command)


def shaped_stack(shape: Shape, engine: Any, image: str) -> ShapedStack:
    """The shape's project, which has not been deployed yet."""
    return ShapedStack(shape, NEWEST, StackProject(command_of(NEWEST), engine), image)
