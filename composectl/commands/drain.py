"""`composectl drain`: take one replica out of rotation."""

from __future__ import annotations

import click

from composectl.compose.options import Invocation
from composectl.config.completion import completed


@click.command()
@click.argument("service", shell_complete=completed("balanced"))
@click.argument("number", type=int, shell_complete=completed("numbers"))
@click.pass_obj
def drain(invocation: Invocation, service: str, number: int) -> int:
    """Send no new requests to a replica, and wait until it is idle.

    Its container still runs, and `undrain` puts it back.

    \b
    composectl drain echo 3
    """
    from composectl.control.client import find_daemon
    from composectl.control.commands import BackendRef
    from composectl.screen.console import print_progress

    return print_progress(find_daemon(invocation).drain(BackendRef(service, number)))
