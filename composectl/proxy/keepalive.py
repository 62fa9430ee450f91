"""The kernel finds out whether the other side is still there: one that lost its network does not say goodbye."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

_INTERVAL = 1
_PROBES = 3
_MILLISECONDS = 1000

# Not every system has all of them.
_IDLE = getattr(socket, "TCP_KEEPIDLE", None)
_EVERY = getattr(socket, "TCP_KEEPINTVL", None)
_TIMES = getattr(socket, "TCP_KEEPCNT", None)
_UNHEARD = getattr(socket, "TCP_USER_TIMEOUT", None)


def keep_alive(transport: asyncio.BaseTransport, idle: int) -> None:
    """Break the connection when the other side does not answer for 3 s after `idle` seconds of silence (tcp(7))."""
    _set(transport, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((_IDLE, idle), (_EVERY, _INTERVAL), (_TIMES, _PROBES)):
        _set(transport, socket.IPPROTO_TCP, option, value)


def give_up_soon(transport: asyncio.BaseTransport) -> None:
    """Break the connection when the other side does not answer for a few seconds, whatever is on its way to it."""
    keep_alive(transport, idle=_INTERVAL)
    _set(transport, socket.IPPROTO_TCP, _UNHEARD, _PROBES * _MILLISECONDS)


# Private


def _set(transport: asyncio.BaseTransport, level: int, option: int | None, value: int) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None and option is not None:
        with suppress(OSError, ValueError):  # it is closed already
            sock.setsockopt(level, option, value)
