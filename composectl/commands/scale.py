"""`composectl scale`: other numbers of replicas, through the running composectl."""

from __future__ import annotations

from collections.abc import Sequence

from composectl.commands.invocation import Invocation
from composectl.commands.locating import find_running
from composectl.commands.telling import tell
from composectl.commands.wish import parse_scales
from composectl.control.orders import Scaling


def scale(invocation: Invocation, scales: Sequence[str], *, oldest_first: bool = False) -> int:
    """Wait until it is so, telling each step on stderr. Raises ComposectlError."""
    scaling = Scaling(parse_scales(scales), oldest_first)
    return tell(find_running(invocation).scale(scaling))
