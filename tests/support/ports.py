"""Ports that are free, of which no two workers of one run get the same."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from random import sample

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below the range from which clients get their ports."""

_handed_out: set[int] = set()


def free_port() -> int:
    """A TCP port on which no process listens, and which was not handed out before."""
    ours = _range_of_worker()
    for port in sample(ours, len(ours)):
        if port not in _handed_out:
            with suppress(OSError), socket.create_server(("", port)):
                _handed_out.add(port)
                return port
    raise AssertionError("no port is free")


# Private


def _range_of_worker() -> range:
    """The ports of this worker of pytest-xdist; a run without workers has all of them."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(_LOWEST + number % count, _HIGHEST, count)
