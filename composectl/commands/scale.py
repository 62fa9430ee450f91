"""`composectl scale`: other numbers of replicas, through the running composectl."""

from __future__ import annotations

from collections.abc import Sequence

from composectl.compose.options import Invocation
from composectl.config.up import parse_scales
from composectl.control.client import find_running
from composectl.control.commands import Scaling
from composectl.screen.console import print_progress


def scale(invocation: Invocation, scales: Sequence[str], *, oldest_first: bool = False) -> int:
    """Wait until it is so, telling each step on stderr. Raises ComposectlError."""
    scaling = Scaling(parse_scales(scales), oldest_first)
    return print_progress(find_running(invocation).scale(scaling))
