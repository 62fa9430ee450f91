"""`composectl rollout`: new replicas for old ones, made from the compose files as they are now."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from composectl import errors
from composectl.commands.care import Care
from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running
from composectl.commands.rendering import find_means, read_project
from composectl.compose.project import Project, balanced_document, render
from composectl.control.client import Client
from composectl.control.orders import Rollout


def rollout(invocation: Invocation, services: Sequence[str], care: Care) -> int:
    """Wait until it is over, telling each step on stderr. Raises ComposectlError."""
    client = find_running(invocation)
    if not client.about.has_project:
        raise errors.fixed_backends(client.about.project)
    project = asyncio.run(read_project(find_means(invocation), invocation))
    for line in client.rollout(make_rollout(client, project, services, care)):
        sys.stderr.write(line + "\n")
    return 0


def make_rollout(
    client: Client, project: Project, services: Sequence[str], care: Care, *, only_changed: bool = False
) -> Rollout:
    """The order for these services of the composectl that runs. Raises `not_balanced` and `unknown_service`."""
    balanced = [str(one["service"]) for one in client.status()["services"]]
    for service in services:
        if service not in balanced:
            raise errors.not_balanced(service, balanced)
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
    rendered = render(balanced_document(project, balanced)).decode()
    unique = tuple(dict.fromkeys(services))
    return Rollout(unique, rendered, care.parallel, care.pause_seconds, care.ready_seconds, only_changed)
