"""What a project leaves on the machine: containers, networks, processes, files."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import docker

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

MARK = "COMPOSECTL_E2E_PROJECT"
"""The environment variable by which the processes of a project are known."""


def containers(engine: DockerClient, project: str) -> list[Container]:
    return engine.containers.list(all=True, filters=_of(project), ignore_removed=True)


def networks(engine: DockerClient, project: str) -> list[Network]:
    return engine.networks.list(filters=_of(project))


def processes(project: str) -> Iterator[int]:
    """The process ids of all that was started for a project and still runs."""
    return marked_processes(f"{MARK}={project}")


def marked_processes(variable: str) -> Iterator[int]:
    """The ids of the processes that have this `NAME=VALUE` in their environment."""
    mark = variable.encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if mark in variables:
            yield int(folder.name)


def of_docker(engine: DockerClient, project: str) -> list[str]:
    return [
        *(f"container {container.name}" for container in containers(engine, project)),
        *(f"network {network.name}" for network in networks(engine, project)),
    ]


def of_processes(project: str) -> list[str]:
    return [f"process {process}" for process in processes(project)]


def of_files(*folders: Path) -> list[str]:
    walked = (found for folder in folders for found in os.walk(folder))  # which skips a folder that goes meanwhile
    return [f"file {Path(parent, name)}" for parent, _, names in walked for name in names]


def end_processes(project: str) -> None:
    for process in processes(project):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def remove_stale_networks(engine: DockerClient, project: str) -> None:
    """Remove the networks that the engine keeps for endpoints of containers that are gone (moby/moby issue 42119)."""
    for network in networks(engine, project):
        network.reload()
        endpoints = network.attrs["Containers"]
        if endpoints and not any(_exists(engine, container) for container in endpoints):
            _remove_network(network)


def remove(engine: DockerClient, project: str) -> None:
    """Remove the containers and the networks."""
    for container in containers(engine, project):
        container.remove(force=True)
    for network in networks(engine, project):
        _remove_network(network)


# Private


def _remove_network(network: Network) -> None:
    network.reload()
    for endpoint in network.attrs["Containers"].values():
        network.disconnect(endpoint["Name"], force=True)
    network.remove()


def _exists(engine: DockerClient, container: str) -> bool:
    try:
        engine.containers.get(container)
    except docker.errors.NotFound:
        return False
    return True


def _of(project: str) -> dict[str, str]:
    return {"label": f"com.docker.compose.project={project}"}
