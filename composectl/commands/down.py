"""`composectl down`: the running composectl ended, then Compose's own `down` where there is a project."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from composectl import errors
from composectl.commands.passthrough import pass_through
from composectl.compose.options import Invocation
from composectl.control.client import Client, find_running
from composectl.screen.console import spinner

_LONGEST_END = 60.0
_LOOK_EVERY = 0.05


def down(invocation: Invocation, arguments: Sequence[str]) -> int:
    """End what runs, if anything does, and become Compose. Raises ComposectlError."""
    try:
        client = find_running(invocation)
    except errors.NothingRuns:
        pass
    else:
        _end(client)
        if not client.about.has_project:
            return 0
        invocation = replace(invocation, options=replace(invocation.options, project_name=client.about.project))
    return pass_through(invocation, ("down", *arguments))


# Private


def _end(client: Client) -> None:
    deadline = time.monotonic() + _LONGEST_END
    with spinner(f"Stopping composectl (process {client.about.pid})"):
        client.stop()
        while client.is_there() and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
