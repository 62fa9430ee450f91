"""A stack of a swarm: composectl deploys, scales and updates its services; the managers make and remove the tasks."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

from composectl import errors
from composectl.balance.backend import Replica
from composectl.balance.waiting import Condition
from composectl.compose.client import ComposeClient
from composectl.compose.deploy import update_config
from composectl.compose.override import differs, render, without_published_ports
from composectl.compose.project import parse_project
from composectl.compose.stack import DEPLOYED_BY, Stack, StackPlan
from composectl.compose.stack_client import StackClient
from composectl.compose.update_config import UpdateConfig
from composectl.engine.containers import ExitedContainer
from composectl.engine.output import OutputLine, parse_service_output
from composectl.engine.swarm import DOWN, RUNNING, STACK, SwarmService, SwarmTask, make_replica, task_name
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.swarm_conditions import is_settled, service_ready_seconds, task_conditions
from composectl.engine.swarm_watch import SwarmWatch
from composectl.engine.watch import ReplicaObserver
from composectl.orchestrator.base import Orchestrator, Revision, UpdateStep
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

_LAST_LINES = 10
_MOST_LOGS = 3  # of the tasks that are not well, for each look
_PULL_SECONDS = 60.0  # each node pulls the image itself


@dataclass(frozen=True, slots=True)
class Deployment:
    """The stack with this name: `stack` as `plan` makes it of the project that `client` loads, `rendered` here."""

    name: str
    client: ComposeClient
    stacks: StackClient
    plan: StackPlan
    stack: Stack
    rendered: bytes


class StackOrchestrator(Orchestrator):
    """`names`: Swarm's names of the services, by the project's. The ids of replicas are those of tasks."""

    can_choose_victim = False

    def __init__(
        self, engine: SwarmEngine, names: Mapping[str, str], desired: Mapping[str, int], deployment: Deployment
    ) -> None:
        super().__init__(desired)
        self._engine = engine
        self._names = names
        self._deployment = deployment
        self.logs_command = f"docker service logs -f {next(iter(names.values()))}"
        self._revisions = dict.fromkeys(desired, deployment.rendered)
        self._updates: dict[str, _Update] = {}  # by service
        self._has_made = False

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        await SwarmWatch(self._engine, self._names, observer).run()

    def close(self) -> None:
        self._engine.close()

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

    async def stop(self, *, kill: bool = False) -> None:
        """Remove the stack; unless `kill`, first have its tasks stop, for as long as they take."""
        found = self._deployment
        if not kill:
            await stop_tasks(self._engine, found.name)
        await found.stacks.remove(found.name)

    async def stop_started(self, *, kill: bool = False) -> None:
        if self._has_made:
            await self.stop(kill=kill)

    # What there is

    async def replicas(self, service: str) -> list[Replica]:
        nodes = await self._engine.nodes()
        tasks = [task for task in await self._tasks(service) if task.is_wanted and task.node_id in nodes]
        found = (make_replica(self._names[service], task, nodes[task.node_id]) for task in tasks)
        return [replica for replica in found if replica is not None]

    async def containers(self, service: str) -> dict[str, str]:
        """Also tasks that have ended, as long as the managers know them."""
        return {task.id: self._name(service, task) for task in await self._tasks(service)}

    async def wanted(self, service: str) -> dict[str, str]:
        return {task.id: self._name(service, task) for task in await self._tasks(service) if task.is_wanted}

    async def exited(self, service: str) -> list[ExitedContainer]:
        return [
            ExitedContainer(task.id, self._name(service, task), task.exit_code or 0, restarting=False, error=task.error)
            for task in await self._tasks(service)
            if task.has_failed
        ]

    async def replaces_ended(self, service: str) -> bool:
        found = await self._engine.service(self._names[service])
        return found is not None and (found.restarts_always or bool(await self.wanted(service)))

    async def ready_seconds(self, service: str) -> float:
        found = await self._engine.service(self._names[service])
        return _PULL_SECONDS + (service_ready_seconds(found) if found else 0.0)

    async def conditions(self, well: Collection[str], suspects: Collection[str]) -> list[Condition]:
        known = {name: service for service, name in self._names.items()}
        services = await self._engine.stack_services(self._deployment.name)
        running = await self._engine.tasks(label=(f"{STACK}={self._deployment.name}",), desired_state=(RUNNING,))
        found = []
        for service in services:
            tasks = [task for task in running if task.service == service.id]
            is_balanced = service.name in known
            if is_settled(service, tasks) and (not is_balanced or all(task.id in well for task in tasks)):
                continue
            name = known.get(service.name, service.name.removeprefix(f"{self._deployment.name}_"))
            every = await self._engine.tasks(service=(service.id,))
            told = task_conditions(name, service, every, well, time.time())
            found += [each for each in told if is_balanced or each.is_trouble]
        printed = [each.printed_by for each in found if each.printed_by][:_MOST_LOGS]
        lines = dict(zip(printed, [await self.last_lines(task, _LAST_LINES) for task in printed], strict=True))
        return [each.with_lines(lines.get(each.printed_by, ())) for each in found]

    async def last_lines(self, id: str, count: int) -> Sequence[str]:  # noqa: A002 - Docker's word
        """None where the node of the task does not answer."""
        with suppress(errors.ComposectlError):
            return await self._engine.task_lines(id, count)
        return ()

    async def new_output(
        self, seen: dict[str, str], count: int = 1000, service: str = "", number: int | None = None
    ) -> list[OutputLine]:
        lines: list[OutputLine] = []
        for name in (service,) if service else self._names:
            slots = {task.id: task.slot for task in await self._tasks(name)}
            output = await self._engine.service_output(self._names[name], count)
            lines += parse_service_output(output, name, slots, seen)
        return sorted((line for line in lines if number in (None, line.number)), key=lambda line: line.at)

    # Scaling

    def check_capacity(self, service: str, count: int, revision: Revision | None = None) -> None:
        """The swarm tells itself where it has no place for a task."""

    async def scale_to(self, service: str, count: int, revision: Revision | None = None) -> None:
        await self._own(service)
        await self._engine.change(self._names[service], lambda found: with_replicas(found.spec, count))

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
            await self._engine.change(self._names[service], lambda found: forced(found.spec))

    async def continue_update(self, service: str, step: UpdateStep) -> None:
        await self._engine.change(self._names[service], lambda found: with_next_step(found.spec, step))

    async def revert_update(self, service: str, step: UpdateStep) -> None:
        if update := self._updates.get(service):
            update.is_reverted = True
            await self._engine.change(self._names[service], lambda found: reverting(update.before, found.spec, step))

    async def end_update(self, service: str) -> None:
        update = self._updates.pop(service, None)
        if update is None:
            return
        if update.is_reverted:
            await self._engine.change(self._names[service], lambda found: restored(update.before, found.spec))
        else:  # an image is the one that was found when the update began
            await self._deploy(self._part(service, update.rendered), resolve_anew=False)

    # Private

    def _name(self, service: str, task: SwarmTask) -> str:
        return task_name(self._names[service], task)

    async def _tasks(self, service: str) -> list[SwarmTask]:
        """All that the managers know, also those that have ended."""
        return await self._engine.tasks(service=(self._names[service],))

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
