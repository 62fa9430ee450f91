"""A proxy inside the project that it balances: it finds its own container, and follows the replicas of a service."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from composectl import errors
from composectl.balance.backend import Key, Replica
from composectl.balance.waiting import Condition
from composectl.compose.options import Invocation
from composectl.engine.client import Engine
from composectl.engine.containers import Addressing, SelfContainer, find_self_id
from composectl.engine.endpoint import Endpoint, resolve_endpoint
from composectl.engine.watch import ReplicaObserver, Watch
from composectl.orchestrator.base import Orchestrator

_MOUNTS = Path("/proc/self/mountinfo")
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ServiceBackends:
    """The replicas of a service, as Compose scales it."""

    service: str
    project: str  # "" for that of the own container
    port: int | None  # None for the lowest TCP port that each replica exposes

    def has_port(self, replica: Replica) -> bool:
        """Whether the replica exposes a port, where none is named."""
        return replica.address(self.port)[1] > 0


class ServiceOrchestrator(Orchestrator):
    """Follows a service that something else scales: the desired number is what there is.

    `stop_grace_period`: the seconds that the own container has to stop, infinite outside of one. `notify` gets a
    line for each replica that exposes no port.
    """

    def __init__(
        self,
        engine: Engine,
        project: str,
        backends: ServiceBackends,
        replicas: list[Replica],
        stop_grace_period: float,
        notify: Notify,
    ) -> None:
        super().__init__(
            {backends.service: len(replicas)},
            errors.ComposectlError(
                f"the proxy follows the replicas of service `{backends.service}`, and creates none",
                f"use Compose: `docker compose -p {project} up -d --no-recreate --scale {backends.service}=N`",
            ),
        )
        self.project = project
        self.stop_grace_period = stop_grace_period
        self._engine = engine
        self._backends = backends
        self._replicas = replicas
        self._notify = notify
        self._listed: set[Key] = set()

    def describe(self, service: str) -> str:
        return f"the replicas of {service}"

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        observer.replicas_listed(self._backends.service, self._replicas)
        await Watch(self._engine, self.project, (self._backends.service,), observer).run()

    async def conditions(self, well: Collection[str], suspects: Collection[str]) -> list[Condition]:
        return await self._engine.conditions(self.project, (self._backends.service,), well, suspects)

    def close(self) -> None:
        self._engine.close()

    def count(self, service: str, replicas: Sequence[Replica]) -> None:
        """Take the replicas that there are for the desired ones."""
        for replica in replicas:
            if replica.key not in self._listed and not self._backends.has_port(replica):
                error = errors.nothing_exposed(f"container `{replica.name}`")
                self._notify(f"{error.message}: {error.hint}")
        self._listed = {replica.key for replica in replicas}
        self.desired[service] = len(replicas)


async def discover_self(invocation: Invocation, backends: ServiceBackends, notify: Notify) -> ServiceOrchestrator:
    """The replicas that run already. Raises ComposectlError, also where none of those could be balanced to."""
    endpoint = resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    self_id = own_id(endpoint)
    engine = await Engine.connect(endpoint)
    with ExitStack() as undo:
        undo.callback(engine.close)
        own = await engine.self_container(self_id)
        project = backends.project or _project_of(own, engine)
        networks = own.networks if own else None
        engine = replace(engine, addressing=Addressing(networks=networks, use_exposed_port=not backends.port))
        replicas = await _first_look(engine, project, backends, notify)
        undo.pop_all()
    return ServiceOrchestrator(engine, project, backends, replicas, own.stop_grace_period if own else math.inf, notify)


def own_id(endpoint: Endpoint) -> str:
    """The id of the own container, "" outside of one. Raises ComposectlError without the engine's socket."""
    self_id = find_self_id(_MOUNTS.read_text() if _MOUNTS.exists() else "", socket.gethostname())
    path = endpoint.url.removeprefix("unix://")
    if self_id and path != endpoint.url and not Path(path).exists():
        raise errors.ComposectlError(
            f"cannot connect to the Docker Engine: no {path} in this container",
            f"mount the host's socket (`volumes: [{path}:{path}:ro]`), or set DOCKER_HOST",
        )
    return self_id


# Private


def _project_of(own: SelfContainer | None, engine: Engine) -> str:
    if own is None:
        raise errors.ComposectlError(
            f"unknown project: this process runs in no container of the Docker Engine at {engine.endpoint.shown}",
            "name the project: `composectl -p shop proxy`",
        )
    if not own.project:
        raise errors.ComposectlError(
            f"container `{own.name}` belongs to no Compose project",
            "run the proxy as a service of the project, or name the project: `composectl -p shop proxy`",
        )
    return own.project


async def _first_look(engine: Engine, project: str, backends: ServiceBackends, notify: Notify) -> list[Replica]:
    """The replicas that run already. Raises where there are some, and none that could be balanced to."""
    found = (await engine.replicas(project, (backends.service,)))[backends.service]
    if not found:
        unreachable = replace(engine, addressing=replace(engine.addressing, networks=None))
        if (await unreachable.replicas(project, (backends.service,)))[backends.service]:
            raise errors.ComposectlError(
                f"no replica of service `{backends.service}` of project `{project}`"
                " shares a network with this container",
                "put both services on a common network under `networks:`",
            )
        services = ", ".join(sorted((await engine.scales()).get(project, {}))) or "no containers"
        notify(f"no replica of {backends.service} runs yet in project {project}, which has {services}")
    elif not any(map(backends.has_port, found)):
        raise errors.nothing_exposed(f"service `{backends.service}`")
    return found
