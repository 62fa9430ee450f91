"""`composectl up`: bring the project up and balance it, or update the composectl that does so already."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from composectl import errors
from composectl.balance.replica_range import Scale, most_of, read_scale
from composectl.commands.passthrough import ARGUMENTS, PASSED_ON, pass_through
from composectl.compose.options import Invocation
from composectl.config.completion import completed
from composectl.config.options import options_of
from composectl.config.settings import Settings, settings_of

if TYPE_CHECKING:
    from composectl.compose.client import LoadedProject
    from composectl.compose.project import Project
    from composectl.config.daemon import UpConfig
    from composectl.control.client import Client
    from composectl.control.commands import RolloutRequest
    from composectl.daemon.background import ReadyNotifier


@click.command(context_settings=PASSED_ON)
@click.option(
    "--balance",
    multiple=True,
    metavar="SERVICE=N",
    shell_complete=completed("services", "="),
    help="Run N replicas behind the service's port, or as many of 2..10 as its load needs; repeat it.",
)
@options_of("up")
@ARGUMENTS
@click.pass_obj
def up(invocation: Invocation, /, balance: Sequence[str], arguments: Sequence[str], **typed: Any) -> int:
    """Bring the project up, with N replicas of a service behind its port.

    Options of Compose's own `up` (--build, --force-recreate, --pull, ...) are passed on. Without --balance, and without
    `x-balance` in the compose file, this is Compose's own `up`.

    \b
    composectl up --balance echo=10
    composectl up --balance echo=10 --build -d
    composectl up --balance echo=2..10
    composectl up --balance worker=4 --listen 8080:80
    composectl up --balance echo=10 --dashboard 9091 --metrics 9464 --access-log access.log -d
    """
    from composectl.compose.argv import check_spelling, parse_scales
    from composectl.config.up import load_up_config

    check_spelling(arguments, [name for parameter in up.params for name in parameter.opts if name.startswith("--")])
    flags = settings_of("up", typed)
    loaded = load_up_config(invocation, parse_scales(balance), flags, arguments)
    if loaded is None:
        for row in flags:
            if row.name != "detach":
                raise errors.UsageError(
                    f"`{row.flag}` requires `--balance`",
                    "for example: `--balance echo=10`, or `x-balance: 10` in the compose file",
                )
        return pass_through(invocation, ("up", *(("-d",) if flags else ()), *arguments))
    from composectl.control.paths import state_dir
    from composectl.daemon.background import run_in_background

    start = partial(_start_or_update, invocation, flags, *loaded)
    return run_in_background(start, state_dir()) if loaded[0].detach else start(None)


def update_running(
    invocation: Invocation, flags: Settings, config: UpConfig, loaded: LoadedProject, client: Client
) -> int:
    """Have the composectl that runs scale and roll out what has changed, telling each step. Raises ComposectlError."""
    import asyncio

    from composectl.commands.rollout import make_rollout
    from composectl.compose.stack import StackPlan
    from composectl.config.service import RolloutConfig
    from composectl.daemon.hot_restart import check_no_canary, check_same_kind
    from composectl.screen.console import info, print_progress, reached_at, warning

    check_same_kind(client.info, stack=config.swarm)
    status = client.status()
    check_no_canary(status)
    counts = {str(service["service"]): int(service["desired"]) for service in status["services"]}
    ranges = {str(service["service"]): str(service.get("range", "")) for service in status["services"]}
    before = {service: read_scale(ranges[service] or str(count)) for service, count in counts.items()}
    for service in config.scales:
        if service not in before:
            raise errors.ComposectlError(
                f"the running composectl (process {client.info.pid}) does not balance service `{service}`",
                "run `composectl down`, then `composectl up --balance ...` with all services",
            )
    if config.swarm:  # refused before any task is touched
        StackPlan({}, "", config.scales).make(loaded.project, config.scales)
    changes = ", ".join(
        f"{service} stays at {count}" if count == before[service] else f"{service} from {before[service]} to {count}"
        for service, count in config.asked.items()
    )
    info(f"composectl is already running (process {client.info.pid}): {changes}")
    for text in not_applied(flags, loaded.project, config, client.info.options):
        warning(f"the running composectl {text}; use `--handover` to apply it")
    project = asyncio.run(_bring_up_others(invocation, config, tuple(before)))
    anew = "--force-recreate" in config.arguments.options
    timing = RolloutConfig(ready_timeout=config.ready_timeout)
    rollout = make_rollout(client, project, tuple(config.scales), timing, only_changed=not anew)
    print_progress(reconcile(client, config.asked, counts, rollout))
    if config.detach:
        for service in client.status()["services"]:
            places = reached_at(service["listeners"], service.get("redirect_http", ()))
            replicas = errors.plural(service["desired"], "replica")
            sys.stdout.write(f"{service['service']}: {replicas} behind {places}\n")
    else:
        info("`composectl attach` shows the table")
    return 0


def not_applied(flags: Settings, project: Project, config: UpConfig, running: Mapping[str, str]) -> Iterator[str]:
    """What a composectl with other options, `running`, does in place of what it is asked for."""
    from composectl.config.x_balance import parse_x_balance
    from composectl.daemon.preflight import effective_options

    asked = effective_options(project, config)
    names = {
        f"{service}.{row.name}": f"x-balance.{row.key}"
        for service, value in project.x_balance.items()
        for row in parse_x_balance(service, value).settings
    }
    names |= {key: row.flag for row in flags for key in asked if key.rpartition(".")[2] == row.name}
    changed = [key for key, text in asked.items() if text != running.get(key, "")]
    for name in dict.fromkeys(names[key] for key in changed if key in names):
        yield f"ignores `{name}`"
    for key in changed:
        service, _, option = key.rpartition(".")
        listen = f"{service}.listen"
        if option == "protocol" and not any(other in names and other.startswith(f"{service}.") for other in changed):
            before, now = (dict(_pairs(texts.get(key, ""))) for texts in (running, asked))
            for port in sorted(before.keys() & now.keys()):
                if before[port] != now[port]:
                    yield f"still balances port {port} of service `{service}` as `{before[port]}`, not as `{now[port]}`"
        if option == "ports" and listen not in names and running.get(listen) == running.get(key):
            yield f"still listens on `{running.get(key)}` for service `{service}`, not on `{asked[key]}`"


def reconcile(
    client: Client, scales: Mapping[str, Scale], before: Mapping[str, int], rollout: RolloutRequest
) -> Iterator[str]:
    """Scale down, roll out, then scale the other services; the lines of progress, none of which repeats a state."""
    from composectl.control.commands import ScaleRequest

    fewer = {service: scale for service, scale in scales.items() if most_of(scale) < before[service]}
    yield from client.scale(ScaleRequest(fewer, ready_timeout_seconds=rollout.ready_timeout_seconds))
    rolled_out = []
    for line in client.rollout(rollout):
        rolled_out.append(line)
        yield line
    rest = {service: scale for service, scale in scales.items() if service not in fewer}
    request = ScaleRequest(rest, ready_timeout_seconds=rollout.ready_timeout_seconds)
    yield from (line for line in client.scale(request) if line not in rolled_out)


# Private


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The ports and protocols in the text of `SERVICE.protocol`."""
    for pair in filter(None, text.split(", ")):
        port, _, protocol = pair.partition("=")
        yield port, protocol


def _start_or_update(
    invocation: Invocation,
    flags: Settings,
    config: UpConfig,
    loaded: LoadedProject,
    notify_ready: ReadyNotifier | None,
) -> int:
    from composectl.control.client import find_project_daemon
    from composectl.control.pacing import run
    from composectl.control.paths import runtime_dir
    from composectl.daemon.lifecycle import run_daemon
    from composectl.daemon.preflight import prepare_up
    from composectl.daemon.zygote import started_zygote

    try:
        with started_zygote(config.workers) as zygote:
            prepare = partial(prepare_up, invocation, config, loaded, zygote=zygote)
            return run(run_daemon(prepare, notify_ready))
    except errors.RunsAlready as runs:
        try:
            client = find_project_daemon(runtime_dir(invocation.environ), runs.project, invocation.cwd)
        except errors.NothingRuns:  # it comes up, or ends, just now
            raise runs from None
        return update_running(invocation, flags, config, loaded, client)


async def _bring_up_others(invocation: Invocation, config: UpConfig, balanced: tuple[str, ...]) -> Project:
    """The services that are not balanced, as Compose's own `up` would; the project as it is now."""
    from composectl.compose.argv import UpArguments
    from composectl.compose.options import active_profiles
    from composectl.orchestrator.compose import find_client, with_known_api
    from composectl.orchestrator.stack import deploy_others

    client = await with_known_api(find_client(invocation))
    project = await client.load()
    if config.swarm:
        await deploy_others(client, project, config.stack, config.arguments, balanced)
        return project
    compose_project = client.balanced_project(project, balanced)
    if "--build" in config.arguments.options:
        await compose_project.build(tuple(config.scales))
    profiles = active_profiles(invocation.options, client.environ, invocation.cwd)
    asked = config.arguments.services or project.started_by(profiles)
    others = tuple(service for service in asked if service not in balanced)
    if others:
        await compose_project.up(UpArguments(("--no-deps", *config.arguments.options), others), {})
    return project
