"""Ports that are free, from a block that belongs to this process: no two workers and no two runs get the same."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

_LOWEST, _HIGHEST, _BLOCK = 20_000, 32_000, 300
"""Below the range from which clients get their ports."""

_claims: list[socket.socket] = []
"""Held until this process ends."""


def free_port(room: int = 1) -> int:
    """A TCP port on which no process listens, nor on those behind it, `room` in all."""
    for _ in range(_BLOCK):
        port = _block.next(room)
        if all(map(_is_free, range(port, port + room))):
            return port
    raise AssertionError("no port is free")


def claim(what: str, numbers: Iterable[int]) -> int:
    """The first of `numbers` that no other process has claimed for this; it is this one's until it ends."""
    for number in numbers:
        claimed = socket.socket(socket.AF_UNIX)
        try:
            claimed.bind(f"\0composectl tests, {what} {number}")
        except OSError:
            claimed.close()
        else:
            _claims.append(claimed)
            return number
    raise AssertionError(f"every number is claimed: {what}")


# Private


class _Block:
    """Hands out its ports in turn, over and over."""

    def __init__(self) -> None:
        self._process = self._first = self._next = 0

    def next(self, room: int) -> int:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._first = self._next = claim("ports from", range(_LOWEST, _HIGHEST, _BLOCK))
        if self._next + room > self._first + _BLOCK:
            self._next = self._first
        self._next += room
        return self._next - room


_block = _Block()


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True
