"""A tunnel: bytes both ways, as they come, after a backend's 101."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


class _End:
    """One end of a tunnel: what comes in here goes out there."""

    def __init__(self, there: asyncio.Transport, ended: Callable[[], None]) -> None:
        self._there = there
        self._ended = ended
        self.relayed = 0

    def data_received(self, data: bytes) -> None:
        self.relayed += len(data)
        self._there.write(data)

    def eof_received(self) -> None:
        pass

    def pause_writing(self) -> None:
        self._there.pause_reading()

    def resume_writing(self) -> None:
        if not self._there.is_closing():
            self._there.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self._there.close()
        else:
            self._there.abort()
        self._ended()


def join(first: asyncio.Transport, other: asyncio.Transport, ended: Callable[[int, int], None]) -> None:
    """Relay between both until either is closed; `ended` is then called once, with the bytes from `first` and to it."""
    left = [first, other]

    def end() -> None:
        left.pop()
        if not left:
            ended(here.relayed, there.relayed)

    here, there = _End(other, end), _End(first, end)
    for transport, end_of_it in ((first, here), (other, there)):
        transport.set_protocol(cast(asyncio.Protocol, end_of_it))
    for transport in (first, other):
        if not transport.is_closing():
            transport.resume_reading()
