"""The swarm of the manager that an invocation names, and the Compose that renders its stacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from composectl import errors
from composectl.compose.argv import StackOptions, UpArguments
from composectl.compose.client import ComposeClient
from composectl.compose.options import active_profiles, project_directory_of
from composectl.compose.override import render, without_published_ports
from composectl.compose.ports import Port
from composectl.compose.project import Project
from composectl.compose.stack import StackPlan
from composectl.compose.stack_client import StackClient
from composectl.engine.containers import CONTAINER_ADDRESS
from composectl.engine.endpoint import child_environ
from composectl.engine.swarm_client import SwarmEngine
from composectl.orchestrator.addressing import ChosenAddressing
from composectl.orchestrator.compose import find_endpoint
from composectl.orchestrator.stack_orchestrator import Deployment, StackOrchestrator


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
    ) -> StackOrchestrator:
        """The orchestrator of the services in `scales`; the targets of `ports` are where tasks are reached."""
        invocation = self.client.invocation
        profiles = active_profiles(invocation.options, self.client.environ, invocation.cwd)
        alone = "--no-deps" in arguments.options
        services = project.starting(arguments.services, scales, profiles, alone=alone)
        targets = {service: {port.target for port in found if port.target} for service, found in ports.items()}
        plan = StackPlan(targets, self.node_id, services, without_udp, arguments.scales)
        name, stack = self.client.name_of(project), plan.make(project, scales)
        rendered = render(without_published_ports(project, scales))
        deployment = Deployment(name, self.client, self.stacks, plan, stack, rendered)
        names = {service: f"{name}_{service}" for service in scales}
        orchestrator = StackOrchestrator(self.engine, names, scales, deployment)
        orchestrator.directory = str(project_directory_of(invocation.options, self.client.environ, invocation.cwd))
        orchestrator.profiles = project.profiles(scales)
        orchestrator.notes = stack.dropped
        return orchestrator
