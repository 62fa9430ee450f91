"""A stack of a swarm: the manager that an invocation names, which places, makes and removes the tasks itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from composectl.compose.argv import UpArguments
from composectl.compose.client import ComposeClient
from composectl.compose.ports import Port
from composectl.compose.project import Project
from composectl.engine.containers import CONTAINER_ADDRESS
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.swarm_watch import SwarmWatch
from composectl.engine.watch import ReplicaObserver
from composectl.errors import ComposectlError
from composectl.orchestrator.addressing import ChosenAddressing
from composectl.orchestrator.base import Orchestrator
from composectl.orchestrator.compose import find_endpoint


@dataclass(frozen=True, slots=True)
class SwarmConnection:
    """`node_id`: that of the manager, which the stack is labelled with."""

    client: ComposeClient
    engine: SwarmEngine
    node_id: str

    @classmethod
    async def open(cls, client: ComposeClient) -> SwarmConnection:
        """Raises ComposectlError where the engine does not answer, or is no manager of a swarm."""
        engine = await SwarmEngine.connect(find_endpoint(client.invocation))
        return cls(client, engine, (await engine.swarm_info()).node_id)

    @property
    def url(self) -> str:
        return self.engine.endpoint.url

    def close(self) -> None:
        self.engine.close()

    async def choose_addressing(self, asked: str) -> ChosenAddressing:
        """Tasks are reached at the ports of their nodes."""
        return ChosenAddressing(CONTAINER_ADDRESS, "the swarm has several nodes")

    def orchestrator(
        self,
        project: Project,
        scales: Mapping[str, int],
        ports: Mapping[str, Sequence[Port]],
        published_host: str,
        without_udp: frozenset[str],
        arguments: UpArguments,
    ) -> SwarmOrchestrator:
        """The orchestrator of the services in `scales`; the targets of `ports` are where tasks are reached."""
        raise NotImplementedError


class SwarmOrchestrator(Orchestrator):
    """`names`: Swarm's names of the services, by the project's. With a `refusal` it follows a stack of others."""

    can_choose_victim = False

    def __init__(
        self,
        engine: SwarmEngine,
        stack: str,
        names: Mapping[str, str],
        desired: Mapping[str, int],
        refusal: ComposectlError | None = None,
    ) -> None:
        super().__init__(desired, refusal)
        self._engine = engine
        self._stack = stack
        self._names = names

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        await SwarmWatch(self._engine, self._names, observer).run()

    def close(self) -> None:
        self._engine.close()
