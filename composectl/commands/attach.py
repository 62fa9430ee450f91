"""`composectl attach`: the live table of what runs in the background."""

from __future__ import annotations

from collections.abc import Sequence

import click

from composectl.commands.passthrough import ARGUMENTS, PASSED_ON, pass_through
from composectl.compose.options import Invocation


@click.command(context_settings=PASSED_ON)
@ARGUMENTS
@click.pass_obj
def attach(invocation: Invocation, arguments: Sequence[str]) -> int:
    """Show the live table of a composectl in the background.

    Its keys choose a replica, scale, drain, roll out and show logs: `?` lists them. `q` or Ctrl-C leaves the table; the
    composectl still runs. With a service, this is Compose's own `attach`.

    \b
    composectl attach
    """
    if arguments:
        return pass_through(invocation, ("attach", *arguments))
    from composectl.commands.status import watch_status
    from composectl.screen.console import info

    watch_status(invocation, (), with_keys=True)
    info("composectl keeps running: `composectl down` stops it")
    return 0
