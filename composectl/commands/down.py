"""`composectl down`: end the running composectl, then Compose's own `down` where there is a project."""

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
@ARGUMENTS
@click.pass_obj
def down(invocation: Invocation, arguments: Sequence[str]) -> int:
    """Stop the running composectl, then stop and remove the containers.

    Options of Compose's own `down` (--volumes, --rmi, --timeout, ...) are passed on.

    \b
    composectl down
    composectl down --volumes
    """
    from composectl.control.client import find_daemon

    try:
        client = find_daemon(invocation)
    except errors.NothingRuns:
        pass
    else:
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
            return pass_through(project, ("down", *arguments)) if client.info.has_project else 0
        except KeyboardInterrupt:
            if client.info.has_project:
                info("containers still run: `composectl down` removes them")
            raise
    return pass_through(invocation, ("down", *arguments))


# Private


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
