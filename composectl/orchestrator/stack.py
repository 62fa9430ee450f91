"""A stack that is not followed: its replicas are counted, its other services deployed, and it is removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import closing

from composectl.compose.argv import StackOptions, UpArguments
from composectl.compose.client import ComposeClient
from composectl.compose.options import Invocation, active_profiles
from composectl.compose.project import Project
from composectl.compose.stack import DEPLOYED_BY, StackPlan
from composectl.compose.stack_client import StackClient
from composectl.engine.endpoint import child_environ
from composectl.engine.swarm import DOWN, SwarmService, SwarmTask
from composectl.engine.swarm_client import SwarmEngine
from composectl.orchestrator.compose import find_endpoint
from composectl.orchestrator.stack_update import with_replicas

_POLL_INTERVAL = 0.25
_SLACK = 20.0  # seconds beyond the grace period, after which a task that is still there is left to the swarm


async def count_stack_replicas(invocation: Invocation, name: str) -> dict[str, int]:
    """The number of replicas of each service of the stack that composectl has balanced. Raises ComposectlError."""
    with closing(await SwarmEngine.connect(find_endpoint(invocation))) as engine:
        services = await engine.stack_services(name)
    return {
        service.name.removeprefix(f"{name}_"): service.replicas
        for service in services
        if service.replicas is not None and DEPLOYED_BY in service.labels
    }


async def remove_stack(invocation: Invocation, name: str) -> None:
    """Let all tasks end as their grace periods allow, then remove the services and networks. Raises ComposectlError.

    The swarm forgets the tasks of a service that is removed at once, and their containers go on for a while.
    """
    endpoint = find_endpoint(invocation)
    environ = child_environ(invocation.environ, endpoint)
    stacks = await StackClient.find(environ, invocation.cwd, StackOptions())
    with closing(await SwarmEngine.connect(endpoint)) as engine:
        await stop_tasks(engine, name)
    await stacks.remove(name)


async def stop_tasks(engine: SwarmEngine, name: str) -> None:
    """Let all tasks of the stack end as their grace periods allow; those of global services go on."""
    services = [service for service in await engine.stack_services(name) if service.replicas is not None]
    for service in services:
        await engine.change(service.name, lambda found: with_replicas(found.spec, 0))
    await _until_ended(engine, services)


async def deploy_others(
    client: ComposeClient, project: Project, options: StackOptions, arguments: UpArguments, balanced: Collection[str]
) -> None:
    """Deploy the services that are not balanced as the project has them now. Raises ComposectlError."""
    invocation = client.invocation
    profiles = active_profiles(invocation.options, client.environ, invocation.cwd)
    alone = "--no-deps" in arguments.options
    others = project.starting(arguments.services, (), profiles, alone=alone).difference(balanced)
    if others:
        stack = StackPlan({}, "", others, others=arguments.scales).make(project, {})
        stacks = await StackClient.find(client.environ, invocation.cwd, options)
        await stacks.deploy(client.name_of(project), stack)


# Private


async def _until_ended(engine: SwarmEngine, services: list[SwarmService]) -> None:
    began = time.monotonic()
    while services and (left := await _left(engine, services)):
        if time.monotonic() - began > max(task.stop_grace_period for task in left) + _SLACK:
            return
        await asyncio.sleep(_POLL_INTERVAL)


async def _left(engine: SwarmEngine, services: list[SwarmService]) -> list[SwarmTask]:
    """The tasks that have not ended, but for those of nodes that cannot tell."""
    nodes = await engine.nodes()
    down = {node.id for node in nodes.values() if node.state == DOWN}
    tasks = await engine.tasks(service=[service.id for service in services])
    return [task for task in tasks if not task.has_ended and task.node_id not in down]
