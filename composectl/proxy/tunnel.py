"""A tunnel: bytes both ways, as they come; where there are many, through the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from composectl.proxy.errors import ErrorReason
from composectl.proxy.sockets import has_failed, reset
from composectl.proxy.splice import Splice, can_splice

# A read of so many bytes costs as much on transports as by a splice (bench/splice_threshold.py).
_BULK: Final = 32 * 1024
_WORTH: Final = 192 * 1024  # so many bytes beyond save as much as a splice costs to begin with
_TO_RETRY: Final = -256 * 1024 * 1024
_NEVER: Final = -(2**59)


class Tunnel:
    """Relays between two transports until both are closed; `ended` is called once then.

    `half_close`: the end of one direction is passed on, and the other direction goes on; else it ends both.
    `idle_timeout`: the seconds that it may pause; None for any time. `broken`: the transport that was lost first other
    than in order. `error`: the timeout that has ended it, or "".
    """

    __slots__ = (
        "_ended",
        "_first",
        "_half_close",
        "_idle",
        "_idle_timeout",
        "_moved",
        "_open",
        "_other",
        "broken",
        "error",
    )

    def __init__(
        self,
        first: asyncio.Transport,
        other: asyncio.Transport,
        ended: Callable[[Tunnel], None],
        idle_timeout: int | None = None,
        *,
        half_close: bool = False,
    ) -> None:
        self.broken: asyncio.Transport | None = None
        self.error = ""
        self._moved = self._idle = 0  # the bytes, at the last sweep, and the seconds since then without any
        self._ended = ended
        self._idle_timeout = idle_timeout
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
        return self._first.total, self._other.total

    def deliver(self, data: bytes, other: bytes, *, other_has_ended: bool) -> None:
        """What came from the first one, and from the other, before the tunnel was there."""
        for end, received in ((self._first, data), (self._other, other)):
            if received:
                end.data_received(received)
        if other_has_ended:
            self._other.eof_received()

    def abort(self) -> None:
        """End it now; both sides get a reset."""
        self._stop_splices()
        reset(self._first.here)
        reset(self._other.here)

    def sweep(self) -> None:
        """A second has passed: end it if it pauses for longer than that, or if a side that is not read was reset."""
        moved = self._first.total + self._other.total
        self._idle = self._idle + 1 if moved == self._moved else 0
        self._moved = moved
        if self._idle_timeout is not None and self._idle > self._idle_timeout:
            self.error = ErrorReason.IDLE_TIMEOUT
            self.abort()
            return
        for end in (self._first, self._other):
            end.sweep()
            sock = end.here.get_extra_info("socket")
            if sock is not None and not (end.is_reading or end.here.is_closing()):
                descriptor = sock.fileno()
                if descriptor >= 0 and has_failed(descriptor):
                    self.break_off(end.here)
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

    def break_off(self, broken: asyncio.Transport) -> None:
        self.broken = self.broken or broken
        self.abort()

    def lost(self, end: _End, error: Exception | None) -> None:
        self._stop_splices()
        if error is None:
            end.there.close()
        else:
            self.broken = self.broken or end.here
            reset(end.there)
        self._open -= 1
        if not self._open:
            self._ended(self)

    # Private

    def _stop_splices(self) -> None:
        """No FIN or reset leaves while a copy of the descriptor is open."""
        self._first.stop_splice()
        self._other.stop_splice()


# Private


class _End:
    """One end of a tunnel: what comes in `here` goes out `there`."""

    __slots__ = (
        "_beyond",
        "_fills",
        "_moved",
        "_relayed",
        "_splice",
        "_tunnel",
        "has_ended",
        "here",
        "is_reading",
        "there",
    )

    def __init__(self, tunnel: Tunnel, here: asyncio.Transport, there: asyncio.Transport) -> None:
        self._tunnel = tunnel
        self.here = here
        self.there = there
        self._relayed = 0
        self._beyond = 0 if can_splice(here) and can_splice(there) else _NEVER  # of late: see `_BULK`
        self._splice: Splice | None = None
        self._moved = self._fills = 0  # by the splice, a second ago
        self.has_ended = False
        self.is_reading = True

    @property
    def total(self) -> int:
        """The bytes that came in."""
        return self._relayed + (self._splice.moved if self._splice is not None else 0)

    def data_received(self, data: bytes) -> None:
        size = len(data)
        self._relayed += size
        self.there.write(data)
        if size > _BULK:
            self._bulk_read(size)
        elif self._beyond > 0:
            self._small_read(size)

    def eof_received(self) -> bool:
        self.has_ended = True
        self.is_reading = False
        return self._tunnel.eof_from(self)

    def read(self) -> None:
        if self.has_ended or self.here.is_closing():
            return
        self.is_reading = True
        if self._beyond >= _WORTH and not self.there.get_write_buffer_size():
            self._start_splice()
        else:
            self.here.resume_reading()

    def pause(self) -> None:
        if not (self.has_ended or self.here.is_closing()):
            self.is_reading = False
            self.here.pause_reading()

    def stop_splice(self) -> None:
        """Go on through this process, or not at all."""
        splice, self._splice = self._splice, None
        if splice is None:
            return
        rest = splice.stop()
        self._relayed += splice.moved
        self._beyond = self._moved = self._fills = 0
        if not self.there.is_closing():
            self.there.set_write_buffer_limits()
            if rest:
                self.there.write(rest)

    def sweep(self) -> None:
        """A splice that has nothing to do holds descriptors, and one that moves little at once costs more."""
        splice = self._splice
        if splice is None:
            return
        if splice.moved - self._moved <= (splice.fills - self._fills) * _BULK:
            self.stop_splice()
            self.read()
        else:
            self._moved, self._fills = splice.moved, splice.fills

    def pause_writing(self) -> None:
        self._tunnel.other_than(self).pause()

    def resume_writing(self) -> None:
        self._tunnel.other_than(self).read()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_reading = False
        self._tunnel.lost(self, error)

    # Private

    def _bulk_read(self, size: int) -> None:
        before, self._beyond = self._beyond, self._beyond + size - _BULK
        if self._beyond < _WORTH:
            return
        if before < _WORTH:
            self.there.set_write_buffer_limits(high=0)  # `resume_writing` then tells that all is written
        elif not self.there.get_write_buffer_size():
            self._start_splice()

    def _small_read(self, size: int) -> None:
        before, self._beyond = self._beyond, max(0, self._beyond + size - _BULK)
        if self._beyond < _WORTH <= before:
            self.there.set_write_buffer_limits()

    def _start_splice(self) -> None:
        try:
            splice = self._splice = Splice(self.here, self.there, self._splice_ended)
            splice.start()
        except OSError:  # no descriptor is left for it
            self.stop_splice()
            self._beyond = _TO_RETRY
            self.there.set_write_buffer_limits()
            self.here.resume_reading()

    def _splice_ended(self, error: OSError | None, of_source: bool) -> None:
        self.stop_splice()
        if error is None:
            self.read()  # its end
        else:
            self._tunnel.break_off(self.here if of_source else self.there)
