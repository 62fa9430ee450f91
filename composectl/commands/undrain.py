"""`composectl undrain`: take a drained replica back into rotation."""

from __future__ import annotations

import click

from composectl.compose.options import Invocation
from composectl.config.completion import completed


@click.command()
@click.argument("service", shell_complete=completed("balanced"))
@click.argument("number", type=int, shell_complete=completed("in_maintenance"))
@click.pass_obj
def undrain(invocation: Invocation, service: str, number: int) -> int:
    """Send requests to a drained replica again.

    \b
    composectl undrain echo 3
    """
    from composectl.control.client import find_daemon
    from composectl.control.commands import BackendRef
    from composectl.screen.console import print_progress

    return print_progress(find_daemon(invocation).undrain(BackendRef(service, number)))
