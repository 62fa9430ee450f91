"""`composectl rollout`: new replicas for old ones, made from the compose files as they are now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from composectl import errors
from composectl.compose.options import Invocation
from composectl.compose.override import render, without_published_ports
from composectl.compose.project import Project
from composectl.config.rollout import RolloutConfig
from composectl.control.client import Client, find_running
from composectl.control.commands import Rollout, Verdict
from composectl.daemon.service import check_no_canary
from composectl.orchestrator.compose import find_client
from composectl.screen.console import print_progress


def rollout(invocation: Invocation, services: Sequence[str], config: RolloutConfig) -> int:
    """Wait until it is over, telling each step on stderr. Raises ComposectlError."""
    if config.canary is not None and len(set(services)) > 1:
        raise errors.one_canary()
    client = _find_project(invocation)
    project = asyncio.run(find_client(invocation).load())
    return print_progress(client.rollout(make_rollout(client, project, services, config)))


def judge(invocation: Invocation, service: str, *, promote: bool) -> int:
    """Wait until the rollout of the canary is over, or that is gone. Raises ComposectlError."""
    return print_progress(_find_project(invocation).judge(Verdict(service, promote)))


def make_rollout(
    client: Client, project: Project, services: Sequence[str], config: RolloutConfig, *, only_changed: bool = False
) -> Rollout:
    """The order for these services of the composectl that runs. Raises ComposectlError where it makes no sense."""
    status = client.status()
    check_no_canary(status)
    policies = {str(one["service"]): one["policy"] for one in status["services"]}
    balanced = [*policies]
    for service in services:
        if service not in balanced:
            raise errors.not_balanced(service, balanced)
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
        if config.canary is not None and policies[service] == "source":
            raise errors.no_canary_by_source()
    rendered = render(without_published_ports(project, balanced)).decode()
    unique = tuple(dict.fromkeys(services))
    return Rollout(
        unique,
        rendered,
        config.parallel,
        config.monitor,
        config.ready_timeout,
        only_changed,
        canary=config.canary,
    )


# Private


def _find_project(invocation: Invocation) -> Client:
    client = find_running(invocation)
    if not client.about.has_project:
        raise errors.makes_no_replicas(client.about.project)
    return client
