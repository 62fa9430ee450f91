"""A project on a swarm: composectl runs on a manager, its replicas on all hosts, its clients on another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from tests.support.closed_loop import ClosedLoop
from tests.support.load_generator import LoadGenerator
from tests.support.project import Project
from tests.support.resilience import Row, Scenario
from tests.support.swarm_lab import HOSTS, MANAGER, SwarmLab
from tests.support.wait import wait_until

BRIDGE = """\
networks:
  default:
    external: true
    name: bridge
"""


class SwarmProject(Project):
    """One project on a lab."""

    def __init__(self, compose: Path, lab: SwarmLab) -> None:
        self.lab = lab
        self.rights = lab.on(1)
        super().__init__(compose)

    def environment(self, **changes: str | None) -> dict[str, str]:
        return super().environment(**{**self.lab.environment(), **changes})

    def load(self, per_second: int, at_least: int = 0, **how: Any) -> LoadGenerator:
        return super().load(per_second, at_least, host=MANAGER, enter=self.lab.enter, **how)

    def docker(self, *words: str) -> None:
        """Run `docker WORDS` on the manager."""
        done = self._finished(["docker", *words], self.environment(), 120)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"

    def tasks(self, service: str = "echo", manager: int = 1) -> list[dict[str, Any]]:
        """Docker's own list of those that are to run, in the order of their slots."""
        filters = {"service": f"{self.name}_{service}", "desired-state": "running"}
        return sorted(self.lab.client(manager).api.tasks(filters), key=lambda task: int(task["Slot"]))

    def leftovers(self) -> list[str]:
        return [*self.own_leftovers(), *(thing for host in HOSTS for thing in self._on(host))]

    def remove(self) -> None:
        manager = self.lab.client(1)
        for service in manager.services.list(filters=self._label):
            service.remove()
        wait_until(lambda: not any("container" in thing for thing in self.leftovers()), within=30)
        for network in manager.networks.list(filters=self._label):
            network.remove()

    # Private

    @property
    def _label(self) -> dict[str, str]:
        return {"label": f"com.docker.stack.namespace={self.name}"}

    def _on(self, host: int) -> list[str]:
        """What of the stack is on a host."""
        api = self.lab.client(host).api
        try:
            containers = api.containers(all=True, filters=self._label)
            networks = api.networks(filters=self._label)
            services = api.services(filters=self._label) if host == 1 else []
        except (docker.errors.APIError, OSError) as error:
            return [f"host {host} does not answer: {error}"]
        things = {"container": containers, "network": networks, "service": services}
        return [f"{kind} {_id(thing)} on host {host}" for kind, found in things.items() for thing in found]


class SwarmScenario(Scenario):
    """A service of the swarm that counts what it executes; `network` is `bridge`, or `overlay` as a file has it."""

    project: SwarmProject
    heading = "engine, network"

    def __init__(self, project: SwarmProject, network: str, add_row: Callable[[Row], None], image: str) -> None:
        super().__init__(project, image, f"{project.lab.version}, {network}", add_row)
        self.lab = project.lab
        self._network = network

    def write(self, more: str = "", published: bool = True, **values: object) -> None:
        super().write(more, published, **values)
        if self._network == "bridge":
            self.project.file.write_text(self.project.file.read_text() + BRIDGE)

    def clients(self, count: int, path: str) -> ClosedLoop:
        """So many on the host of the clients, each of which asks again as soon as it is answered."""
        return ClosedLoop(self.project.port, count, path, MANAGER, self.lab.enter)

    def up(self, replicas: int | str, *words: str) -> None:
        """Bring the stack up with so many replicas, or a range of them, or take it over again."""
        options = ("--swarm", "--resolve-image", "never", "--balance", f"echo={replicas}")
        self.project.run("up", *options, "-d", *words)

    def serve(self, replicas: int, *words: str, more: str = "") -> None:
        self.write(more)
        self.up(replicas, *words)
        assert self.project.has_ready(replicas), self.project.status()["backends"]

    def container(self, task: Mapping[str, Any]) -> Container:
        """That of one of `project.tasks()`."""
        engine = self.lab.client(self.lab.host_of(task["NodeID"]))
        return engine.containers.get(task["Status"]["ContainerStatus"]["ContainerID"])

    def by_node(self) -> Counter[str]:
        """The number of its backends, by the name of their host."""
        return Counter(backend["node"] for backend in self.project.status()["backends"])

    def goes_on(self, load: LoadGenerator, requests: int = 100) -> bool:
        """Whether so many more are answered."""
        before = len(load.fates)
        return wait_until(lambda: len(load.fates) >= before + requests)

    def ids(self) -> set[str]:
        return {backend["id"] for backend in self.project.status()["backends"]}

    def roll_out(self, version: int, *words: str) -> None:
        """Replace all tasks by those of another definition."""
        self.write(f'    labels: ["version={version}"]\n')
        before = self.ids()
        self.project.run("rollout", "echo", "--monitor", "500ms", *words)
        assert not before & self.ids()


# Private


def _id(thing: Mapping[str, str]) -> str:
    return (thing.get("Id") or thing["ID"])[:12]
