"""Any other command: Compose's own, as it was typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from composectl.compose.argv import passthrough_argv
from composectl.compose.options import Invocation
from composectl.compose.process import exec_compose
from composectl.orchestrator.compose import find_client


def pass_through(invocation: Invocation, arguments: Sequence[str]) -> NoReturn:
    """Become Compose, talking to the same engine as we do. Raises ComposectlError."""
    client = find_client(invocation)
    exec_compose(passthrough_argv(client.compose, (*invocation.options.argv(), *arguments)), client.environ)
