"""What a running composectl tells of an order of ours, on this terminal's stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from composectl.screen.harmless import harmless


def tell(lines: Iterable[str]) -> int:
    """Each line as it comes, to the last; the exit code. Raises what `lines` raise.

    Ctrl-C leaves the running composectl at it, and says so.
    """
    try:
        for line in lines:
            say(line)
    except KeyboardInterrupt:
        say("the running composectl goes on with it: `composectl status` shows how far it is")
        raise
    return 0


def say(line: str) -> None:
    """One line."""
    sys.stderr.write(harmless(line) + "\n")
