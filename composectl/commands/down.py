"""`composectl down`: end the running composectl, then Compose's own `down`, or the stack, where there is a project."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import click

from composectl import errors
from composectl.commands.passthrough import ARGUMENTS, PASSED_ON, pass_through
from composectl.compose.options import Invocation, active_profiles

_END_TIMEOUT = 60.0  # of a process that is not seen from here
_POLL_INTERVAL = 0.05


@click.command(context_settings=PASSED_ON)
@click.option("--swarm", "of_stack", is_flag=True, help="Remove the stack of the project, also if no composectl runs.")
@ARGUMENTS
@click.pass_obj
def down(invocation: Invocation, of_stack: bool, arguments: Sequence[str]) -> int:
    """Stop the running composectl, then stop and remove the containers, or the stack of a swarm.

    Options of Compose's own `down` (--volumes, --rmi, --timeout, ...) are passed on.

    \b
    composectl down
    composectl down --volumes
    composectl down --swarm
    """
    from composectl.control.client import find_daemon

    try:
        client = find_daemon(invocation)
    except errors.NothingRuns:
        if of_stack:
            return _remove_stack(invocation, "", arguments)
    else:
        if of_stack and not client.info.has_stack:
            raise errors.UsageError(
                f"`--swarm` cannot be combined with {client.info.title}: it has no stack", "omit `--swarm`"
            )
        from composectl.screen.console import info, spinner

        deadline = time.monotonic() + _END_TIMEOUT
        # `up --balance` enables the profiles of what it balances; without them, `down` would leave that.
        options = replace(invocation.options, project_name=client.info.project)
        if client.info.profiles:
            active = active_profiles(invocation.options, invocation.environ, invocation.cwd)
            options = replace(options, profiles=tuple(dict.fromkeys((*active, *client.info.profiles))))
        project = _with_hooks(replace(invocation, options=options), client.info.project)
        try:
            with spinner(f"Stopping composectl (process {client.info.pid})"):
                client.stop()
                while client.path.exists() and (time.monotonic() < deadline or _is_alive(client.info.pid)):
                    time.sleep(_POLL_INTERVAL)
            if client.info.has_stack:
                return _remove_stack(invocation, client.info.project, arguments)
            return pass_through(project, ("down", *arguments)) if client.info.has_project else 0
        except KeyboardInterrupt:
            if client.info.has_project:
                again = "composectl down --swarm" if client.info.has_stack else "composectl down"
                info(f"containers still run: `{again}` removes them")
            raise
    return pass_through(invocation, ("down", *arguments))


# Private


def _remove_stack(invocation: Invocation, name: str, arguments: Sequence[str]) -> int:
    """Remove the stack with this name, or that of the compose file; Compose's options have nothing to do with it."""
    from composectl.control.pacing import run
    from composectl.orchestrator.stack import remove_stack
    from composectl.screen.console import info, warning

    if options := [word for word in arguments if word.startswith("-")]:
        warning(f"{errors.left_out(options)}: `docker stack rm` does not know {'them' if len(options) > 1 else 'it'}")
    name = name or run(_name(invocation))
    info(f"stopping the tasks of stack `{name}`")
    run(remove_stack(invocation, name))
    return 0


async def _name(invocation: Invocation) -> str:
    from composectl.orchestrator.compose import find_client

    client = find_client(invocation)
    return client.name_of(await client.load(quiet=True))


def _with_hooks(invocation: Invocation, name: str) -> Invocation:
    """The invocation, without the name of the project where that has `pre_stop` hooks.

    Compose 2 reads no files of a project that is named, and then runs no hooks.
    """
    import asyncio

    from composectl.orchestrator.compose import find_client

    unnamed = replace(invocation, options=replace(invocation.options, project_name=""))
    with suppress(errors.ComposectlError):
        client = find_client(unnamed)
        if not client.compose.is_v1:
            project = asyncio.run(client.load(quiet=True))
            if project.name == name and any("pre_stop" in service for service in project.document["services"].values()):
                return replace(unnamed, options=replace(unnamed.options, profiles=("*",)))
    return invocation


def _is_alive(pid: int) -> bool:
    """Whether this process of the same user runs: it may drain for long."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
