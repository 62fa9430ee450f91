"""The project as the compose files and the environment of one command line make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from composectl.compose.binary import Compose, api_variables, find_compose
from composectl.compose.options import Invocation, files_of_v1
from composectl.compose.process import render_config, render_with_x_balance
from composectl.compose.project import Project, parse_project, services_with_x_balance
from composectl.engine.client import Engine
from composectl.engine.endpoint import Endpoint, child_environ, resolve_endpoint


@dataclass(frozen=True, slots=True)
class ComposeClient:
    """The engine that is meant, a Compose, and the environment in which it talks to that engine."""

    endpoint: Endpoint
    environ: Mapping[str, str]
    compose: Compose


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """The project as it was read once, and what Compose warned of meanwhile.

    `lost`: the services whose `x-balance` stands in a file, and not in the project.
    """

    compose_client: ComposeClient
    project: Project
    warnings: str
    lost: frozenset[str] = frozenset()


def find_client(invocation: Invocation) -> ComposeClient:
    """Raises ComposectlError where there is no Compose, or no such engine."""
    endpoint = resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    environ = child_environ(invocation.environ, endpoint)
    return ComposeClient(endpoint, environ, find_compose(environ))


async def with_known_api(compose_client: ComposeClient) -> ComposeClient:
    """The same, where Compose speaks no API to the engine that it does not understand. Raises ComposectlError."""
    if not compose_client.compose.is_v1:
        return compose_client
    engine = await Engine.connect(compose_client.endpoint)
    try:
        newest = (await engine.version()).newest
    finally:
        engine.close()
    return replace(compose_client, environ={**api_variables(compose_client.compose, newest), **compose_client.environ})


async def load_project(compose_client: ComposeClient, invocation: Invocation, *, quiet: bool = False) -> Project:
    """The project, rendered by its Compose, whose warnings are shown unless we are `quiet`. Raises ComposectlError."""
    printed = await render_config(
        compose_client.compose, invocation.options, compose_client.environ, invocation.cwd, quiet=quiet
    )
    return parse_project(printed, compose_client.compose.major)


async def load_with_x_balance(invocation: Invocation) -> LoadedProject:
    """The project and what it declares under `x-balance`. Raises ComposectlError."""
    compose_client = find_client(invocation)
    printed, in_yaml, warnings = await render_with_x_balance(
        compose_client.compose, invocation.options, compose_client.environ, invocation.cwd
    )
    project = parse_project(printed, compose_client.compose.major, in_yaml)
    return LoadedProject(compose_client, project, warnings, _lost(invocation, compose_client, project))


# Private


def _lost(invocation: Invocation, compose_client: ComposeClient, project: Project) -> frozenset[str]:
    """docker-compose 1 leaves `x-` keys out where it merges what several files, or `extends`, say of a service."""
    if not compose_client.compose.is_v1:
        return frozenset()
    files = files_of_v1(invocation.options, compose_client.environ, invocation.cwd)
    return frozenset(services_with_x_balance(files) - project.x_balance.keys())
