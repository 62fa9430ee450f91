"""A stack of a swarm: composectl deploys, scales and updates its services; the managers make and remove the tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from composectl import errors
from composectl.compose.client import ComposeClient
from composectl.compose.deploy import update_config
from composectl.compose.override import differs, render, without_published_ports
from composectl.compose.project import parse_project
from composectl.compose.stack import DEPLOYED_BY, Stack, StackPlan
from composectl.compose.stack_client import StackClient
from composectl.compose.update_config import UpdateConfig
from composectl.engine.swarm import DOWN, SwarmService
from composectl.engine.swarm_client import SwarmEngine
from composectl.orchestrator.base import Revision, UpdateStep
from composectl.orchestrator.stack import stop_tasks
from composectl.orchestrator.stack_update import (
    Spec,
    forced,
    restored,
    reverting,
    with_first_step,
    with_next_step,
    with_replicas,
)
from composectl.orchestrator.swarm_orchestrator import SwarmOrchestrator


@dataclass(frozen=True, slots=True)
class Deployment:
    """The stack with this name: `stack` as `plan` makes it of the project that `client` loads, `rendered` here."""

    name: str
    client: ComposeClient
    stacks: StackClient
    plan: StackPlan
    stack: Stack
    rendered: bytes


class StackOrchestrator(SwarmOrchestrator):
    """`names`: Swarm's names of the services that are balanced, by those of the project."""

    after_kill = "the stack was removed: its tasks end as their grace periods allow"

    def __init__(
        self, engine: SwarmEngine, names: Mapping[str, str], desired: Mapping[str, int], deployment: Deployment
    ) -> None:
        super().__init__(engine, names, desired)
        self._deployment = deployment
        self._revisions = dict.fromkeys(desired, deployment.rendered)
        self._updates: dict[str, _Update] = {}  # by service
        self._versions: dict[str, int] = {}  # of services after the last change from here
        self._has_made = False

    def service_read(self, name: str, service: SwarmService) -> None:
        """The desired number is that of the swarm, which others may have changed since."""
        if service.replicas is not None and name in self._versions and service.version >= self._versions[name]:
            self.desired[name] = service.replicas

    async def owns_port(self, service: str, port: int) -> bool:
        found = await self._engine.service(self._names[service])
        return found is not None and port in found.published

    async def port_owner(self, port: int) -> str:
        owner = await self._engine.port_owner(port)
        return f"container `{owner.name}`" if owner else ""

    # All of the stack

    async def start(self) -> None:
        """Deploy the stack; one that has not changed keeps its tasks."""
        found = self._deployment
        services = await self._engine.stack_services(found.name)
        for service in services:
            if service.name in self._names.values():
                await self._check_own(service)
        self._has_made = not services
        await found.stacks.deploy(found.name, found.stack, is_whole=True)
        for name in self._names:
            self._versions[name] = (await self._engine.existing(self._names[name])).version

    async def stop(self, *, kill: bool = False) -> None:
        """Remove the stack; unless `kill`, first have its tasks stop, for as long as they take."""
        found = self._deployment
        if not kill:
            await stop_tasks(self._engine, found.name)
        await found.stacks.remove(found.name)

    async def stop_started(self, *, kill: bool = False) -> None:
        if self._has_made:
            await self.stop(kill=kill)

    # Scaling

    def check_capacity(self, service: str, count: int, revision: Revision | None = None) -> None:
        """The swarm tells itself where it has no place for a task."""

    async def scale_to(self, service: str, count: int, revision: Revision | None = None) -> None:
        await self._own(service)
        before = await self._engine.change(self._names[service], lambda found: with_replicas(found.spec, count))
        self._versions[service] = before.version + 1

    # Revisions

    async def newest_revision(self, service: str) -> str:
        project = await self._deployment.client.load(quiet=True)
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
        return render(without_published_ports(project, self.desired)).decode()

    def revision(self, rendered: str) -> Revision:
        return rendered.encode()

    def update_config(self, service: str, revision: Revision) -> UpdateConfig:
        return update_config(revision, service)

    async def is_outdated(self, service: str, revision: Revision) -> bool:
        return differs(service, self._revisions[service], revision)

    def set_revision(self, service: str, revision: Revision) -> None:
        self._revisions[service] = revision

    # Updates

    async def begin_update(self, service: str, revision: Revision | None, step: UpdateStep) -> None:
        before = await self._own(service)
        rendered = revision or self._revisions[service]
        self._updates[service] = _Update(before.spec, rendered)
        stack = self._part(service, rendered)
        await self._deploy(replace(stack, document=with_first_step(stack.document, service, step)))
        after = await self._engine.existing(self._names[service])
        if after.spec["TaskTemplate"] == before.spec["TaskTemplate"]:
            await self._change(service, forced)

    async def continue_update(self, service: str, step: UpdateStep) -> None:
        await self._change(service, lambda spec: with_next_step(spec, step))

    async def revert_update(self, service: str, step: UpdateStep) -> None:
        if update := self._updates.get(service):
            update.is_reverted = True
            await self._change(service, lambda spec: reverting(update.before, spec, step))

    async def end_update(self, service: str) -> None:
        update = self._updates.pop(service, None)
        if update is None:
            return
        if update.is_reverted:
            await self._change(service, lambda spec: restored(update.before, spec))
        else:  # an image is the one that was found when the update began
            await self._deploy(self._part(service, update.rendered), resolve_anew=False)

    # Private

    async def _services(self) -> dict[str, tuple[str, SwarmService]]:
        """All of the stack."""
        known = {in_swarm: name for name, in_swarm in self._names.items()}
        stack = self._deployment.name
        return {
            service.id: (known.get(service.name, service.name.removeprefix(f"{stack}_")), service)
            for service in await self._engine.stack_services(stack)
        }

    async def _change(self, service: str, edit: Callable[[Spec], Spec]) -> None:
        """Change the service in an update that has begun."""
        await self._patiently(lambda: self._engine.change(self._names[service], lambda found: edit(found.spec)))

    async def _own(self, service: str) -> SwarmService:
        """Raises ComposectlError where it is not there, or another composectl's."""
        found = await self._engine.existing(self._names[service])
        await self._check_own(found)
        return found

    def _part(self, service: str, rendered: Revision) -> Stack:
        """The stack with this service alone."""
        plan = replace(self._deployment.plan, services=(service,))
        return plan.make(parse_project(rendered.decode(), in_yaml=True), {service: self.desired[service]})

    async def _check_own(self, service: SwarmService) -> None:
        """Raise ComposectlError where another composectl has deployed it, on a manager that is there."""
        deployed_by = service.labels.get(DEPLOYED_BY, self._deployment.plan.deployed_by)
        if deployed_by != self._deployment.plan.deployed_by:
            node = (await self._engine.nodes()).get(deployed_by)
            if node is not None and node.state != DOWN:
                raise errors.deployed_elsewhere(service.name, node.hostname)

    async def _deploy(self, stack: Stack, *, resolve_anew: bool = True) -> None:
        """Deploy a part of the stack, and show nothing of it."""
        stacks = self._deployment.stacks
        if not resolve_anew and stacks.options.resolve_image == "always":
            stacks = replace(stacks, options=replace(stacks.options, resolve_image="changed"))
        await stacks.deploy(self._deployment.name, stack, quietly=True)


# Private


@dataclass(slots=True)
class _Update:
    """`before`: the specification of the service before it; `rendered`: the project that it leads to."""

    before: Spec
    rendered: Revision
    is_reverted: bool = False
