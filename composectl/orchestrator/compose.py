"""The project as the compose files and the environment of one command line make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from composectl.compose.binary import Compose, api_variables, find_compose
from composectl.compose.options import Invocation, files_of_v1
from composectl.compose.process import render_config, render_twice
from composectl.compose.project import Project, declaring_services, parse_project
from composectl.engine.client import Engine
from composectl.engine.endpoint import Endpoint, child_environ, resolve_endpoint


@dataclass(frozen=True, slots=True)
class Means:
    """The engine that is meant, a Compose, and the environment in which it talks to that engine."""

    endpoint: Endpoint
    environ: Mapping[str, str]
    compose: Compose


@dataclass(frozen=True, slots=True)
class Reading:
    """The project as it was read once, and what Compose warned of meanwhile.

    `lost`: the services whose `x-balance` stands in a file, and not in the project.
    """

    means: Means
    project: Project
    warnings: str
    lost: frozenset[str] = frozenset()


def find_means(invocation: Invocation) -> Means:
    """Raises ComposectlError where there is no Compose, or no such engine."""
    endpoint = resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    environ = child_environ(invocation.environ, endpoint)
    return Means(endpoint, environ, find_compose(environ))


async def in_known_api(means: Means) -> Means:
    """The same, where Compose speaks no API to the engine that it does not understand. Raises ComposectlError."""
    if not means.compose.is_v1:
        return means
    engine = await Engine.connect(means.endpoint)
    try:
        newest = (await engine.version()).newest
    finally:
        engine.close()
    return replace(means, environ={**api_variables(means.compose, newest), **means.environ})


async def read_project(means: Means, invocation: Invocation, *, quiet: bool = False) -> Project:
    """The project, rendered by its Compose, whose warnings are shown unless we are `quiet`. Raises ComposectlError."""
    printed = await render_config(means.compose, invocation.options, means.environ, invocation.cwd, quiet=quiet)
    return parse_project(printed, means.compose.major)


async def read_with_declared(invocation: Invocation) -> Reading:
    """The project and what it declares under `x-balance`. Raises ComposectlError."""
    means = find_means(invocation)
    printed, in_yaml, warnings = await render_twice(means.compose, invocation.options, means.environ, invocation.cwd)
    project = parse_project(printed, means.compose.major, in_yaml)
    return Reading(means, project, warnings, _lost(invocation, means, project))


# Private


def _lost(invocation: Invocation, means: Means, project: Project) -> frozenset[str]:
    """docker-compose 1 leaves `x-` keys out where it merges what several files, or `extends`, say of a service."""
    if not means.compose.is_v1:
        return frozenset()
    files = files_of_v1(invocation.options, means.environ, invocation.cwd)
    return frozenset(declaring_services(files) - project.declared.keys())
