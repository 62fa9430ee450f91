"""`composectl trust`: let the programs of this machine trust the certificates of `--tls internal`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composectl import errors
from composectl.compose.options import Invocation

if TYPE_CHECKING:
    from composectl.certificates.trust_store import TrustStore


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def trust(invocation: Invocation, yes: bool) -> int:
    """Trust the authority of `--tls internal` on this machine.

    The authority is of this user alone. Its certificate goes into the system's store, which root alone may change, and
    into those of this user's browsers.

    \b
    composectl trust
    """
    from composectl.daemon.tls import open_authority
    from composectl.screen.console import info

    certificate = open_authority().export()
    stores = known_stores(certificate)
    if not stores:
        raise errors.ComposectlError(
            "no store of authorities is known on this system", f"import {certificate} where programs keep theirs"
        )
    ask(f"Trust {certificate} in {places(stores)}?", "trust", yes=yes)
    for store in stores:
        store.add()
        info(f"{store.title} has the authority")
    info(f"a browser with another store can import {certificate}")
    return 0


def known_stores(certificate: Path) -> list[TrustStore]:
    """The system's first."""
    from composectl.certificates.trust_store import browser_stores, system_store

    system = system_store(certificate)
    return [*([system] if system else []), *browser_stores(certificate, Path.home())]


def places(stores: list[TrustStore]) -> str:
    return errors.listed(store.title for store in stores)


def ask(question: str, command: str, *, yes: bool) -> None:
    """Raise ComposectlError unless the answer is yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.UsageError(
            f"`composectl {command}` asks before it changes a store, and stdin is no terminal",
            "`--yes` answers the question",
        )
    if not click.confirm(question, err=True):
        raise errors.ComposectlError("nothing was changed", f"`composectl {command} --yes` does not ask")
