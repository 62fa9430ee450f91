"""`composectl rollout`: new replicas for old ones, made from the compose files as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from composectl import errors
from composectl.compose.options import Invocation
from composectl.config.completion import completed
from composectl.config.options import options_of
from composectl.config.service import RolloutConfig
from composectl.config.settings import Settings, build, settings_of

if TYPE_CHECKING:
    from composectl.compose.project import Project
    from composectl.control.client import Client
    from composectl.control.commands import RolloutRequest


@click.command()
@click.argument("services", nargs=-1, metavar="[SERVICE...]", shell_complete=completed("balanced"))
@options_of("rollout")
@click.option("--promote", is_flag=True, help="Accept the canary, and continue its rollout.")
@click.option("--abort", is_flag=True, help="Remove the canary, and keep the old replicas.")
@click.pass_obj
def rollout(invocation: Invocation, /, services: Sequence[str], promote: bool, abort: bool, **typed: Any) -> int:
    """Replace the replicas of services, by default of all that are balanced, without losing a request.

    The compose files and images are read as they are now. A new replica serves before an old one leaves. A new one that
    does not become ready, or that fails more requests than the old ones, is removed, and the old ones stay.
    `deploy.update_config` of a service can change both.

    \b
    composectl rollout
    composectl rollout echo
    composectl build echo && composectl rollout echo --monitor 30s
    composectl rollout echo --canary 10%
    composectl rollout echo --promote
    """
    import asyncio

    from composectl.control.client import find_daemon
    from composectl.control.commands import CanaryDecision
    from composectl.orchestrator.compose import find_client
    from composectl.screen.console import print_progress

    flags = settings_of("rollout", typed)
    check_decision(services, flags, promote=promote, abort=abort)
    config = build(RolloutConfig, flags)
    if config.canary is not None and len(set(services)) != 1:
        raise errors.UsageError(
            "`--canary` takes one service", "run `composectl rollout SERVICE --canary 10%` for each service"
        )
    client = find_daemon(invocation)
    if not client.info.has_project:
        raise errors.ComposectlError(
            f"proxy `{client.info.project}` creates no replicas: there is nothing to roll out",
            "start composectl with `up --balance SERVICE=N`",
        )
    if promote or abort:
        return print_progress(client.decide_canary(CanaryDecision(services[0], promote)))
    project = asyncio.run(find_client(invocation).load())
    if not services:
        balanced = [str(service["service"]) for service in client.status()["services"]]
        services = project.in_order(service for service in balanced if service in project.services)
    return print_progress(client.rollout(make_rollout(client, project, services, config)))


def check_decision(services: Sequence[str], flags: Settings, *, promote: bool, abort: bool) -> None:
    """Raise ComposectlError where it is decided on a canary, and something else is asked for, too."""
    if (promote or abort) and (len(services) != 1 or flags or (promote and abort)):
        option = "--promote" if promote else "--abort"
        raise errors.UsageError(
            f"`{option}` takes one service, and cannot be combined with other options",
            f"for example: `composectl rollout echo {option}`",
        )


def make_rollout(
    client: Client, project: Project, services: Sequence[str], config: RolloutConfig, *, only_changed: bool = False
) -> RolloutRequest:
    """The order for these services of the composectl that runs. Raises ComposectlError where it makes no sense."""
    from composectl.compose.override import render, without_published_ports
    from composectl.control.commands import RolloutRequest
    from composectl.daemon.hot_restart import check_no_canary

    status = client.status()
    check_no_canary(status)
    policies = {str(service["service"]): service["policy"] for service in status["services"]}
    sticky = {str(service["service"]): service.get("sticky", "") for service in status["services"]}
    for service in services:
        if service not in policies:
            raise errors.not_balanced(service, policies)
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
        if config.canary is not None and policies[service] == "source":
            raise errors.ComposectlError(
                "`--canary` cannot be combined with `--policy source`: a client would not stay with its backend",
                "omit `--canary`",
            )
        if config.canary is not None and ":" in sticky[service]:
            raise errors.ComposectlError(
                f"`--canary` cannot be combined with `--sticky {sticky[service]}`: "
                "the canary would get as many sessions as each other replica",
                "omit `--canary`",
            )
    rendered = render(without_published_ports(project, policies)).decode()
    timing = (config.parallel, config.monitor, config.ready_timeout)
    return RolloutRequest(tuple(dict.fromkeys(services)), rendered, *timing, only_changed, canary=config.canary)
