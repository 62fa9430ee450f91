"""A compose file on standard input, which can be read once, and is needed several times."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import cache

_STDIN = 0


@cache
def standard_input() -> bytes:
    """All of it, to its end."""
    return sys.stdin.buffer.read()


def give_back() -> None:
    """Let whoever this process becomes read it, if we have read it; it has no name on any disk."""
    if standard_input.cache_info().currsize:
        with tempfile.TemporaryFile() as copy:
            copy.write(standard_input())
            copy.seek(0)
            os.dup2(copy.fileno(), _STDIN)
