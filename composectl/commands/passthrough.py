"""Any other command: Compose's own, as it was typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from composectl import errors
from composectl.compose.options import Invocation
from composectl.config.completion import completed

if TYPE_CHECKING:
    from composectl.control.client import Client

_RECREATES = frozenset(("create", "run", "watch"))
PASSED_ON: dict[str, Any] = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Of a command whose arguments go to Compose."""
ARGUMENTS = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=completed("services"))


def compose_command(name: str) -> click.Command:
    """The command of Compose with this name."""

    @click.command(name, context_settings=PASSED_ON | {"allow_interspersed_args": False}, add_help_option=False)
    @ARGUMENTS
    @click.pass_obj
    def command(invocation: Invocation, arguments: Sequence[str]) -> None:
        if name in _RECREATES and (client := _balancing(invocation)):
            _pass_rendered(invocation, client, (name, *arguments))
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


# Private


def _balancing(invocation: Invocation) -> Client | None:
    """The composectl that balances the project now, if there is one."""
    from composectl.control.client import find_daemon

    try:
        client = find_daemon(invocation)
    except errors.ComposectlError:
        return None
    return client if client.info.has_project else None


def _pass_rendered(invocation: Invocation, client: Client, words: Sequence[str]) -> NoReturn:
    """Become Compose, for the project as it is balanced: with the user's files it would make all replicas anew."""
    import asyncio

    from composectl.compose.override import scaled
    from composectl.compose.ports import parse_ports
    from composectl.orchestrator.compose import find_client, port_overrides, with_known_api

    status, options = client.status(), client.info.options
    scales = {str(service["service"]): int(service["desired"]) for service in status["services"]}
    ports = {
        service: [port for text in filter(None, options[f"{service}.listen"].split(", ")) for port in parse_ports(text)]
        for service in scales
    }
    without_udp = frozenset(service for service in scales if options.get(f"{service}.drop-udp") == "True")
    compose = asyncio.run(with_known_api(find_client(invocation)))
    project = compose.balanced_project(asyncio.run(compose.load(quiet=True)), scales)
    rendered = port_overrides(ports, client.info.published_host, without_udp).apply(project.rendered)
    replace(project, name=client.info.project, rendered=scaled(rendered, scales)).become(words)
