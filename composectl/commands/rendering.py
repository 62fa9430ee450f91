"""The project as the compose files and the environment of one command line make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from composectl.commands.invocation import Invocation
from composectl.compose.locate import find_compose
from composectl.compose.project import Project, parse_project
from composectl.compose.run import render_config, render_twice
from composectl.compose.version import Compose
from composectl.engine.endpoint import Endpoint, child_environ, resolve_endpoint


@dataclass(frozen=True, slots=True)
class Means:
    """The engine that is meant, a Compose, and the environment in which it talks to that engine."""

    endpoint: Endpoint
    environ: Mapping[str, str]
    compose: Compose


@dataclass(frozen=True, slots=True)
class Reading:
    """The project as it was read once, and what Compose warned of meanwhile."""

    means: Means
    project: Project
    warnings: str


def find_means(invocation: Invocation) -> Means:
    """Raises ComposectlError where there is no Compose, or no such engine."""
    endpoint = resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    environ = child_environ(invocation.environ, endpoint)
    return Means(endpoint, environ, find_compose(environ))


async def read_project(means: Means, invocation: Invocation, *, quiet: bool = False) -> Project:
    """The project, rendered by its Compose, whose warnings are shown unless we are `quiet`. Raises ComposectlError."""
    printed = await render_config(means.compose, invocation.options, means.environ, invocation.cwd, quiet=quiet)
    return parse_project(printed, means.compose.major)


async def read_with_declared(invocation: Invocation) -> Reading:
    """The project and what it declares under `x-balance`. Raises ComposectlError."""
    means = find_means(invocation)
    printed, in_yaml, warnings = await render_twice(means.compose, invocation.options, means.environ, invocation.cwd)
    return Reading(means, parse_project(printed, means.compose.major, in_yaml), warnings)
