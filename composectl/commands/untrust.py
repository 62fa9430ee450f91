"""`composectl untrust`: take the authority of `--tls internal` out of the stores of this machine."""

from __future__ import annotations

import click

from composectl.commands.trust import ask, known_stores, places
from composectl.compose.options import Invocation


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def untrust(invocation: Invocation, yes: bool) -> int:
    """Take back what `composectl trust` has done.

    \b
    composectl untrust
    """
    from composectl.daemon.tls import open_authority
    from composectl.screen.console import info

    stores = [store for store in known_stores(open_authority().export()) if store.has_it]
    if not stores:
        info("no store has the authority")
        return 0
    ask(f"Remove the authority from {places(stores)}?", "untrust", yes=yes)
    for store in stores:
        store.remove()
        info(f"{store.title} has no authority of composectl any more")
    return 0
