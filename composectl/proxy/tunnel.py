"""A tunnel: bytes both ways, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from composectl.proxy.sockets import has_failed, reset


class Tunnel:
    """Relays between two transports until both are closed; `ended` is called once then.

    `half_close`: the end of one direction is passed on, and the other direction goes on; else it ends both.
    `broken`: the transport that was lost first other than in order.
    """

    __slots__ = ("_ended", "_first", "_half_close", "_open", "_other", "broken")

    def __init__(
        self,
        first: asyncio.Transport,
        other: asyncio.Transport,
        ended: Callable[[Tunnel], None],
        *,
        half_close: bool = False,
    ) -> None:
        self.broken: asyncio.Transport | None = None
        self._ended = ended
        self._half_close = half_close
        self._open = 2
        self._first = _End(self, first, other)
        self._other = _End(self, other, first)
        for end in (self._first, self._other):
            end.here.set_protocol(cast(asyncio.Protocol, end))
        for end in (self._first, self._other):
            end.read()

    @property
    def relayed(self) -> tuple[int, int]:
        """The bytes that came from the first one, and those that came from the other."""
        return self._first.relayed, self._other.relayed

    def deliver(self, data: bytes, other: bytes, *, other_has_ended: bool) -> None:
        """What came from the first one, and from the other, before the tunnel was there."""
        for end, received in ((self._first, data), (self._other, other)):
            if received:
                end.data_received(received)
        if other_has_ended:
            self._other.eof_received()

    def abort(self) -> None:
        """End it now; both sides get a reset."""
        reset(self._first.here)
        reset(self._other.here)

    def sweep(self) -> None:
        """Notice a side that was reset while nothing is read from it; to be called once a second."""
        for end in (self._first, self._other):
            if not (end.is_reading or end.here.is_closing()):
                descriptor = end.here.get_extra_info("socket").fileno()
                if descriptor >= 0 and has_failed(descriptor):
                    self.broken = self.broken or end.here
                    self.abort()
                    return

    # The ends' side

    def eof_from(self, end: _End) -> bool:
        """One side sends no more; returns whether it is still to be written to."""
        if not self._half_close:
            return False
        if not end.there.is_closing():
            end.there.write_eof()
        if not (self._first.has_ended and self._other.has_ended):
            return True
        end.there.close()
        end.here.close()
        return False

    def other_than(self, end: _End) -> _End:
        return self._other if end is self._first else self._first

    def lost(self, end: _End, error: Exception | None) -> None:
        if error is None:
            end.there.close()
        else:
            self.broken = self.broken or end.here
            reset(end.there)
        self._open -= 1
        if not self._open:
            self._ended(self)


# Private


class _End:
    """One end of a tunnel: what comes in `here` goes out `there`."""

    __slots__ = ("_tunnel", "has_ended", "here", "is_reading", "relayed", "there")

    def __init__(self, tunnel: Tunnel, here: asyncio.Transport, there: asyncio.Transport) -> None:
        self._tunnel = tunnel
        self.here = here
        self.there = there
        self.relayed = 0
        self.has_ended = False
        self.is_reading = True

    def data_received(self, data: bytes) -> None:
        self.relayed += len(data)
        self.there.write(data)

    def eof_received(self) -> bool:
        self.has_ended = True
        self.is_reading = False
        return self._tunnel.eof_from(self)

    def read(self) -> None:
        if not (self.has_ended or self.here.is_closing()):
            self.is_reading = True
            self.here.resume_reading()

    def pause(self) -> None:
        if not (self.has_ended or self.here.is_closing()):
            self.is_reading = False
            self.here.pause_reading()

    def pause_writing(self) -> None:
        self._tunnel.other_than(self).pause()

    def resume_writing(self) -> None:
        self._tunnel.other_than(self).read()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_reading = False
        self._tunnel.lost(self, error)
