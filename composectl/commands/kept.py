"""The scales that a project has without being told: `up` without `--balance` keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from composectl.commands.invocation import Invocation
from composectl.commands.rendering import Means, find_means, read_project
from composectl.compose.argv import sort_up_arguments
from composectl.compose.name import project_name
from composectl.compose.project import Project
from composectl.control.client import Client, running
from composectl.control.folder import runtime_folder
from composectl.engine.client import Engine
from composectl.errors import ComposectlError


def kept_scales(invocation: Invocation, arguments: tuple[str, ...]) -> dict[str, int]:
    """How many replicas of which service a balanced project has, of those that `up` was told to bring up.

    That is what the running composectl was told last; where none runs, it is read from the containers: several of a
    service that publishes one port can only have been balanced. Empty where anything keeps us from knowing.
    """
    try:
        named = sort_up_arguments(arguments).services
        scales = asyncio.run(_scales(invocation))
    except ComposectlError:
        return {}
    return {service: count for service, count in scales.items() if not named or service in named}


# Private


async def _scales(invocation: Invocation) -> Mapping[str, int]:
    clients = [client for client in running(runtime_folder(invocation.environ)) if client.about.has_project]
    means = find_means(invocation)
    there = await _there(means)
    if not clients and not any(count > 1 for services in there.values() for count in services.values()):
        return {}  # without rendering the project, which takes its time
    project = await read_project(means, invocation, quiet=True)
    name = project_name(project, invocation.options, means.environ, invocation.cwd)
    for client in clients:
        if client.about.project == name:
            return _told(client)
    return {service: count for service, count in there.get(name, {}).items() if _was_balanced(project, service, count)}


async def _there(means: Means) -> Mapping[str, Mapping[str, int]]:
    engine = await Engine.connect(means.endpoint)
    try:
        return await engine.scales()
    finally:
        engine.close()


def _told(client: Client) -> dict[str, int]:
    return {one["service"]: one["wanted"] for one in client.status()["services"]}


def _was_balanced(project: Project, service: str, count: int) -> bool:
    return service in project.services and any(port.room < count for port in project.tcp_ports(service))
