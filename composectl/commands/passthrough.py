"""Any other command: Compose's own, as it was typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from composectl.compose.argv import passthrough_argv
from composectl.compose.binary import find_compose
from composectl.compose.options import Invocation
from composectl.compose.process import exec_compose
from composectl.engine.endpoint import child_environ, resolve_endpoint


def pass_through(invocation: Invocation, arguments: Sequence[str]) -> NoReturn:
    """Become Compose, talking to the same engine as we do. Raises ComposectlError."""
    endpoint = resolve_endpoint(invocation.host, invocation.context, invocation.environ)
    environ = child_environ(invocation.environ, endpoint)
    compose = find_compose(environ)
    exec_compose(passthrough_argv(compose, (*invocation.options.argv(), *arguments)), environ)
