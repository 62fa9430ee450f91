"""`composectl scale`: other numbers of replicas, through the running composectl."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from composectl import errors
from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running
from composectl.compose.argv import parse_scale


def scale(invocation: Invocation, scales: Sequence[str]) -> int:
    """Wait until it is so, telling each step on stderr. Raises ComposectlError."""
    wanted: dict[str, int] = {}
    for text in scales:
        service, count = parse_scale(text)
        if service in wanted:
            raise errors.balanced_twice(service)
        wanted[service] = count
    for line in find_running(invocation).scale(wanted):
        sys.stderr.write(line + "\n")
    return 0
