"""A proxy over the tasks of a service of a swarm, which something else deploys and scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from composectl import errors
from composectl.balance.backend import Replica
from composectl.compose.options import Invocation
from composectl.engine.endpoint import resolve_endpoint
from composectl.engine.swarm import SwarmService
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.swarm_ports import host_ports, network_ids, target_ports
from composectl.orchestrator.self_discovery import own_id
from composectl.orchestrator.swarm_orchestrator import SwarmOrchestrator


@dataclass(frozen=True, slots=True)
class TaskBackends:
    """The tasks of a service, by Swarm's own name of it, as `shop_echo`."""

    service: str
    port: int | None  # None for the lowest TCP port that the service publishes


@dataclass(frozen=True, slots=True)
class TaskAddressing:
    """At which `port` of the container tasks are reached: on one of `networks`, ids, or at ports of their nodes."""

    port: int
    networks: frozenset[str] = frozenset()

    @property
    def sentence(self) -> str:
        return f"tasks are reached at {'their own addresses' if self.networks else 'ports of their nodes'}"


class TaskOrchestrator(SwarmOrchestrator):
    """Follows a service; `stop_grace_period` is that of the own container."""

    def __init__(self, engine: SwarmEngine, service: str, addressing: TaskAddressing, stop_grace_period: float) -> None:
        refusal = errors.ComposectlError(
            f"the proxy follows the tasks of service `{service}`, and makes none",
            f"`docker service scale {service}=N` does",
        )
        super().__init__(engine, {service: service}, {service: 0}, refusal, addressing.networks)
        self.project = service
        self.stop_grace_period = stop_grace_period
        self.addressing = addressing
        self._is_global = False

    def describe(self, service: str) -> str:
        return f"the tasks of {service}"

    def service_read(self, name: str, service: SwarmService) -> None:
        self._is_global = service.replicas is None
        self.desired[name] = self.desired[name] if service.replicas is None else service.replicas

    def count(self, service: str, replicas: Sequence[Replica]) -> None:
        """Of a global service, there are as many tasks as there should be."""
        if self._is_global:
            self.desired[service] = len(replicas)


async def follow_service(invocation: Invocation, backends: TaskBackends) -> TaskOrchestrator:
    """Raises ComposectlError where this is no manager, there is no such service, or its tasks cannot be reached."""
    endpoint = resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    self_id = own_id(endpoint)
    with ExitStack() as undo:
        engine = await SwarmEngine.connect(endpoint)
        undo.callback(engine.close)
        service = await engine.existing(backends.service)
        own = await engine.self_container(self_id)
        addressing = choose_task_addressing(service, backends.port, own.networks if own else None)
        undo.pop_all()
    return TaskOrchestrator(engine, service.name, addressing, own.stop_grace_period if own else math.inf)


def choose_task_addressing(service: SwarmService, port: int | None, networks: frozenset[str] | None) -> TaskAddressing:
    """`networks`: the ids of those that this process is on, None for the host's. Raises ComposectlError."""
    if networks and (shared := networks & network_ids(service)):
        return TaskAddressing(port or _lowest(service, target_ports(service)), shared)
    published = host_ports(service)
    if port in (None, *published) and published:
        return TaskAddressing(port or published[0])
    what = f"does not publish port {port}" if port else "publishes no TCP port"
    raise errors.ComposectlError(
        f"service `{service.name}` {what} in host mode, and shares no network with this process",
        "publish the port with `mode: host`, or run the proxy as a service on a network of its tasks",
    )


# Private


def _lowest(service: SwarmService, ports: Sequence[int]) -> int:
    if not ports:
        raise errors.nothing_exposed(f"service `{service.name}`")
    return ports[0]
