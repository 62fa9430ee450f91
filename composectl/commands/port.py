"""`composectl port`: the listener that leads to a port of a balanced service, else Compose's own answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import click

from composectl import errors
from composectl.commands.passthrough import ARGUMENTS, PASSED_ON, pass_through
from composectl.compose.options import Invocation


@click.command(context_settings=PASSED_ON)
@click.option("--protocol", metavar="NAME", help="Look for a port of tcp or udp.  [default: tcp]")
@click.option("--index", metavar="N", help="Ask for this replica of a service that is not balanced.")
@ARGUMENTS
@click.pass_obj
def port(invocation: Invocation, protocol: str | None, index: str | None, arguments: Sequence[str]) -> int:
    """Show where a container's port is reached.

    For a service that is balanced, this is the first listener that leads to the port. For any other, this is Compose's
    own `port`.

    \b
    composectl port echo 9090
    curl "http://$(composectl port echo 9090)/"
    """
    if protocol in (None, "tcp") and len(arguments) == 2:
        service, target = arguments
        if listeners := _listeners(invocation, service):
            sys.stdout.write(f"{first_listener(service, target, listeners)}\n")
            return 0
    options = (("--protocol", protocol), ("--index", index))
    words = [word for name, value in options if value is not None for word in (name, value)]
    return pass_through(invocation, ("port", *words, *arguments))


def first_listener(service: str, target: str, listeners: Mapping[str, Sequence[str]]) -> str:
    """The first of the listeners, by the container's port, that lead to `target`. Raises ComposectlError."""
    found = listeners.get(target.removesuffix("/tcp"))
    if not found:
        raise errors.ComposectlError(
            f"no listener of service `{service}` leads to port {target}",
            f"there are listeners for {', '.join(sorted(listeners, key=int))}",
        )
    return found[0]


# Private


def _listeners(invocation: Invocation, service: str) -> Mapping[str, Sequence[str]]:
    """The listeners of the service by the container's port; none where it is not balanced."""
    from composectl.control.client import find_daemon

    try:
        info = find_daemon(invocation).info
    except errors.NothingRuns:
        return {}
    return info.ports.get(service, {}) if info.has_project else {}
