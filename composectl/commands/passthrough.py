"""Any other command: Compose's own, as it was typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import click

from composectl.compose.options import Invocation
from composectl.config.completion import completed

PASSED_ON: dict[str, Any] = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Of a command whose arguments go to Compose."""
ARGUMENTS = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=completed("services"))


def compose_command(name: str) -> click.Command:
    """The command of Compose with this name."""

    @click.command(name, context_settings=PASSED_ON | {"allow_interspersed_args": False}, add_help_option=False)
    @ARGUMENTS
    @click.pass_obj
    def command(invocation: Invocation, arguments: Sequence[str]) -> None:
        pass_through(invocation, (name, *arguments))

    return command


def pass_through(invocation: Invocation, arguments: Sequence[str]) -> NoReturn:
    """Become Compose, with the same engine. Raises ComposectlError."""
    from composectl.compose.binary import find_compose
    from composectl.compose.process import exec_compose
    from composectl.engine.endpoint import child_environ, resolve_endpoint

    endpoint = resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    environ = child_environ(invocation.environ, endpoint)
    compose = find_compose(environ)
    exec_compose((*compose.command, *invocation.options.argv(), *arguments), environ)
