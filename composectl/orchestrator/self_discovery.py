"""What a proxy that follows a service finds where it starts: its own container, the project, who runs already."""

from __future__ import annotations

import math
import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from composectl import errors
from composectl.balance.backend import Replica
from composectl.engine.client import Engine
from composectl.engine.containers import Addressing, SelfContainer, find_self_id
from composectl.engine.endpoint import Endpoint
from composectl.screen.console import info

_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class ServiceBackends:
    """The replicas of a service, as Compose scales it.

    `project` is empty for that of our own container, `port` None for the lowest TCP port that each replica exposes.
    """

    service: str
    project: str
    port: int | None

    def has_port(self, replica: Replica) -> bool:
        """Whether the replica exposes a port, where none is named."""
        return replica.address(self.port)[1] > 0


@dataclass(frozen=True, slots=True)
class Discovery:
    """`grace`: the seconds that our own container is given to stop, infinite outside of one."""

    engine: Engine
    project: str
    grace: float
    replicas: list[Replica]


async def discover_self(endpoint: Endpoint, backends: ServiceBackends) -> Discovery:
    """The replicas that run already, as they are reached from here. Raises ComposectlError.

    That is so, too, where some run and none of them could be balanced to.
    """
    own_id = _own_id()
    if own_id:
        _check_mounted(endpoint)
    engine = await Engine.connect(endpoint)
    with ExitStack() as undo:
        undo.callback(engine.close)
        own = await engine.self_container(own_id)
        project = backends.project or _project_of(own, engine)
        engine.addressing = Addressing(networks=own.networks if own else None, use_exposed_port=not backends.port)
        replicas = await _first_look(engine, project, backends)
        undo.pop_all()
    return Discovery(engine, project, own.stop_grace_period if own else math.inf, replicas)


# Private


def _own_id() -> str:
    return find_self_id(_MOUNTS.read_text() if _MOUNTS.exists() else "", socket.gethostname())


def _check_mounted(endpoint: Endpoint) -> None:
    path = endpoint.url.removeprefix("unix://")
    if path != endpoint.url and not Path(path).exists():
        raise errors.no_socket(path)


def _project_of(own: SelfContainer | None, engine: Engine) -> str:
    if own is None:
        raise errors.whose_project(engine.endpoint.url)
    if not own.project:
        raise errors.of_no_project(own.name)
    return own.project


async def _first_look(engine: Engine, project: str, backends: ServiceBackends) -> list[Replica]:
    """The replicas that run already. Raises where there are some, and none that could be balanced to."""
    there = await _replicas(engine, project, backends.service)
    if not there:
        await _tell_of_none(engine, project, backends.service)
    elif not any(map(backends.has_port, there)):
        raise errors.nothing_exposed(f"service `{backends.service}`")
    return there


async def _tell_of_none(engine: Engine, project: str, service: str) -> None:
    """Say who is there instead; raise `no_shared_network` where some run, out of our reach."""
    addressing, engine.addressing = engine.addressing, replace(engine.addressing, networks=None)
    if await _replicas(engine, project, service):
        raise errors.no_shared_network(service, project)
    engine.addressing = addressing
    services = ", ".join(sorted((await engine.scales()).get(project, {})))
    info(f"no replica of {service} runs yet in project {project}, which has {services or 'no containers'}")


async def _replicas(engine: Engine, project: str, service: str) -> list[Replica]:
    return (await engine.replicas(project, (service,)))[service]
