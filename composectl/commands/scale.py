"""`composectl scale`: change how many replicas a service has."""

from __future__ import annotations

from collections.abc import Sequence

import click

from composectl.compose.options import Invocation
from composectl.config.completion import completed


@click.command()
@click.argument("scales", nargs=-1, required=True, metavar="SERVICE=N...", shell_complete=completed("balanced", "="))
@click.option("--oldest-first", is_flag=True, help="Remove the oldest replicas first.  [default: the highest numbers]")
@click.pass_obj
def scale(invocation: Invocation, scales: Sequence[str], oldest_first: bool) -> int:
    """Change how many replicas run, without losing a request.

    With a range, as in 2..10, the load decides, until a number fixes it again.

    \b
    composectl scale echo=3
    composectl scale echo=2..10
    """
    from composectl.compose.argv import parse_scales
    from composectl.control.client import find_daemon
    from composectl.control.commands import ScaleRequest
    from composectl.screen.console import print_progress

    request = ScaleRequest(parse_scales(scales), oldest_first)
    return print_progress(find_daemon(invocation).scale(request))
