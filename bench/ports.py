"""Ports that are free, drawn at random, so that two runs on one machine do not meet."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from random import sample


def free_ports(count: int) -> list[int]:
    """So many different free ports of 127.0.0.1, below those that outgoing connections get."""
    with ExitStack() as stack:
        return [_free_port(stack) for _ in range(count)]


# Private

_LOWEST, _HIGHEST = 20_000, 32_000


def _free_port(stack: ExitStack) -> int:
    for port in sample(range(_LOWEST, _HIGHEST), 1000):
        listener = stack.enter_context(socket.socket())
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise SystemExit("error: 1,000 ports in a row are taken")
