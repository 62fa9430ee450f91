"""A stack of a swarm: the manager that an invocation names, which places, makes and removes the tasks itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from composectl import errors
from composectl.compose.argv import UpArguments
from composectl.compose.client import ComposeClient
from composectl.compose.options import active_profiles, project_directory_of
from composectl.compose.ports import Port
from composectl.compose.project import Project
from composectl.compose.stack import Stack, StackPlan
from composectl.compose.stack_client import StackClient
from composectl.compose.stack_options import StackOptions
from composectl.engine.containers import CONTAINER_ADDRESS
from composectl.engine.endpoint import child_environ
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.swarm_watch import SwarmWatch
from composectl.engine.watch import ReplicaObserver
from composectl.errors import ComposectlError
from composectl.orchestrator.addressing import ChosenAddressing
from composectl.orchestrator.base import Orchestrator
from composectl.orchestrator.compose import find_endpoint


@dataclass(frozen=True, slots=True)
class SwarmConnection:
    """`node_id`: that of the manager, which the balanced services are labelled with."""

    client: ComposeClient
    engine: SwarmEngine
    node_id: str
    stacks: StackClient

    @classmethod
    async def open(cls, client: ComposeClient, options: StackOptions) -> SwarmConnection:
        """Raises ComposectlError where the engine does not answer, or is no manager of a swarm."""
        endpoint, cwd = find_endpoint(client.invocation), client.invocation.cwd
        stacks = await StackClient.find(child_environ(client.environ, endpoint), cwd, options)
        engine = await SwarmEngine.connect(endpoint)
        try:
            found = await engine.swarm_info()
            if not found.is_manager:
                raise errors.no_manager(endpoint.shown, in_swarm=bool(found.node_id))
        except BaseException:
            engine.close()
            raise
        return cls(client, engine, found.node_id, stacks)

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
        invocation = self.client.invocation
        profiles = active_profiles(invocation.options, self.client.environ, invocation.cwd)
        alone = "--no-deps" in arguments.options
        services = project.starting(arguments.services, scales, profiles, alone=alone)
        targets = {service: {port.target for port in found if port.target} for service, found in ports.items()}
        plan = StackPlan(targets, self.node_id, services, without_udp, arguments.scales)
        name, stack = self.client.name_of(project), plan.make(project, scales)
        deployment = Deployment(name, self.client, self.stacks, plan, stack)
        names = {service: f"{name}_{service}" for service in scales}
        orchestrator = SwarmOrchestrator(self.engine, names, scales, deployment)
        orchestrator.directory = str(project_directory_of(invocation.options, self.client.environ, invocation.cwd))
        orchestrator.profiles = project.profiles(scales)
        orchestrator.notes = stack.dropped
        return orchestrator


@dataclass(frozen=True, slots=True)
class Deployment:
    """The stack with this name: `stack` as `plan` makes it of the project that `client` loads."""

    name: str
    client: ComposeClient
    stacks: StackClient
    plan: StackPlan
    stack: Stack


class SwarmOrchestrator(Orchestrator):
    """`names`: Swarm's names of the services, by the project's. Without a `deployment` it follows a stack of others."""

    can_choose_victim = False

    def __init__(
        self,
        engine: SwarmEngine,
        names: Mapping[str, str],
        desired: Mapping[str, int],
        deployment: Deployment | None = None,
        refusal: ComposectlError | None = None,
    ) -> None:
        super().__init__(desired, refusal)
        self._engine = engine
        self._names = names
        self._deployment = deployment

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        await SwarmWatch(self._engine, self._names, observer).run()

    async def start(self) -> None:
        """Deploy the stack; one that has not changed keeps its tasks."""
        if found := self._deployment:
            await found.stacks.deploy(found.name, found.stack, is_whole=True)

    def close(self) -> None:
        self._engine.close()
