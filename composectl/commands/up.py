"""`composectl up` where a composectl runs the project already: that one scales and rolls out what has changed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from composectl import errors
from composectl.commands.rollout import make_rollout
from composectl.compose.client import LoadedProject
from composectl.compose.options import Invocation, active_profiles
from composectl.compose.project import Project
from composectl.config.rollout import RolloutConfig
from composectl.config.up import UpConfig
from composectl.control.api import About
from composectl.control.client import Client, find
from composectl.control.commands import Scaling
from composectl.control.pacing import run
from composectl.control.paths import runtime_folder, state_folder
from composectl.daemon.background import ReadyNotifier, run_in_background
from composectl.daemon.lifecycle import run_up
from composectl.daemon.service import check_no_canary
from composectl.orchestrator.compose import find_client, with_known_api
from composectl.screen.console import info, print_progress

_BUILD = "--build"
_ANEW = "--force-recreate"


def up(invocation: Invocation, config: UpConfig, loaded: LoadedProject) -> int:
    """Run until Ctrl-C, or with `-d` until there is a background process that serves. Returns the exit code."""
    if config.detach:
        folder = state_folder(invocation.environ)
        return run_in_background(lambda notify_ready: _first_or_again(invocation, config, loaded, notify_ready), folder)
    return _first_or_again(invocation, config, loaded, None)


def up_again(invocation: Invocation, config: UpConfig, client: Client) -> int:
    """Wait until it is as load_up_config, telling each step on stderr. Raises ComposectlError."""
    status = client.status()
    check_no_canary(status)
    before = {str(one["service"]): int(one["wanted"]) for one in status["services"]}
    for service in config.scales:
        if service not in before:
            raise errors.not_balanced_yet(service, client.about.pid)
    info(_sentence(client, before, config.scales))
    for missing in _missing(config, client.about, status):
        info(f"it goes on without {missing}; with `--handover` another composectl takes over that has that, too")
    project = asyncio.run(_bring_up_others(invocation, config, tuple(before)))
    anew = _ANEW in config.arguments.options
    rollout = make_rollout(client, project, tuple(config.scales), RolloutConfig(), only_changed=not anew)
    fewer = {service: count for service, count in config.scales.items() if count < before[service]}
    for lines in (client.scale(Scaling(fewer)), client.rollout(rollout), client.scale(Scaling(config.scales))):
        print_progress(lines)
    if config.detach:
        sys.stdout.write("".join(map(_summary, client.status()["services"])))
    return 0


# Private


def _first_or_again(
    invocation: Invocation, config: UpConfig, loaded: LoadedProject, notify_ready: ReadyNotifier | None
) -> int:
    try:
        return run(run_up(invocation, config, loaded, notify_ready))
    except errors.RunsAlready as runs:
        try:
            client = find(runtime_folder(invocation.environ), runs.project, invocation.cwd)
        except errors.NothingRuns:  # it comes up, or ends, just now
            raise runs from None
        return up_again(invocation, config, client)


async def _bring_up_others(invocation: Invocation, config: UpConfig, balanced: tuple[str, ...]) -> Project:
    """The services that are not balanced, as Compose's own `up` would; the project as it is now."""
    client = await with_known_api(find_client(invocation))
    project = await client.load()
    compose_project = client.balanced_project(project, balanced)
    if _BUILD in config.arguments.options:
        await compose_project.build(tuple(config.scales))
    profiles = active_profiles(invocation.options, client.environ, invocation.cwd)
    asked = config.arguments.services or project.started_by(profiles)
    others = [service for service in asked if service not in balanced]
    if others:
        await compose_project.up_others(config.arguments.options, others)
    return project


def _missing(config: UpConfig, there: About, status: Mapping[str, Any]) -> Iterator[str]:
    """What was asked for, and is not there."""
    if config.admin.metrics and not there.metrics:
        yield "`--metrics`"
    if config.admin.dashboard and not there.dashboard:
        yield "`--dashboard`"
    if config.access_log and not status["access_log"]:
        yield "`--access-log`"


def _sentence(client: Client, before: Mapping[str, int], wanted: Mapping[str, int]) -> str:
    changes = ", ".join(_change(service, before[service], count) for service, count in wanted.items())
    return f"composectl runs already (process {client.about.pid}), and goes on: {changes}"


def _change(service: str, before: int, wanted: int) -> str:
    return f"{service} stays at {wanted}" if before == wanted else f"{service} from {before} to {wanted}"


def _summary(service: Mapping[str, Any]) -> str:
    return f"{service['service']}: {service['wanted']} replicas behind {', '.join(service['listeners'])}\n"
