"""The scales that a project has without being told: `up` without `--balance` keeps them."""

from __future__ import annotations

from collections.abc import Mapping

from composectl.commands.invocation import Invocation
from composectl.commands.loop import run
from composectl.commands.rendering import Means, Reading
from composectl.compose.name import project_name
from composectl.compose.project import Project
from composectl.control.client import Client, running
from composectl.control.folder import runtime_folder
from composectl.engine.client import Engine
from composectl.errors import ComposectlError


def kept_scales(invocation: Invocation, reading: Reading) -> dict[str, int]:
    """How many replicas of which service a balanced project has.

    That is what the running composectl was told last; where none runs, it is read from the containers: several of a
    service that publishes one port can only have been balanced. Empty where anything keeps us from knowing.
    """
    try:
        return dict(run(_scales(invocation, reading)))
    except ComposectlError:
        return {}


# Private


async def _scales(invocation: Invocation, reading: Reading) -> Mapping[str, int]:
    name = project_name(reading.project, invocation.options, reading.means.environ, invocation.cwd)
    for client in running(runtime_folder(invocation.environ)):
        if client.about.has_project and client.about.project == name:
            return _told(client)
    there = (await _there(reading.means)).get(name, {})
    return {service: count for service, count in there.items() if _was_balanced(reading.project, service, count)}


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
