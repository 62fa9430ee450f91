"""The waiting room: requests are held while nobody is ready, and go on in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composectl.balance.pool import Pool
    from composectl.proxy.exchange import Exchange
    from composectl.proxy.limits import QueueConfig

# So many for each ready backend may be without a connection: all at once would overrun the backlog of the first one,
# and leave nothing to the next.
_DIALS_PER_BACKEND = 32
_PAUSE = 0.01


class RequestQueue:
    """Holds the requests of one service, whichever listener they came by."""

    def __init__(self, pool: Pool, config: QueueConfig) -> None:
        self._pool = pool
        self._timeout = config.timeout
        self._size = config.size if config.timeout else 0
        self._waiting: OrderedDict[Exchange, int] = OrderedDict()  # and when each of them came, in ticks
        self._retries: OrderedDict[Exchange, None] = OrderedDict()  # who wait for a further attempt of others to end
        self._retry_handle: asyncio.Handle | None = None
        self._tick = 0
        self._admit_handle: asyncio.Handle | None = None
        self._dialing: list[Exchange] = []  # of those who were admitted

    @property
    def queued(self) -> int:
        """How many are held now."""
        return len(self._waiting) + len(self._retries)

    @property
    def must_queue(self) -> bool:
        """Whether a new request is to wait behind others, and may."""
        return 0 < len(self._waiting) < self._size

    def enqueue(self, exchange: Exchange) -> bool:
        """Let this one wait, if there is room: it will be admitted or turned away, unless it leaves."""
        if len(self._waiting) >= self._size:
            return False
        self._waiting[exchange] = self._tick
        return True

    def enqueue_retry(self, exchange: Exchange) -> bool:
        """Let this one wait, if there is room, until a further attempt has ended: there may be only so many at once."""
        if len(self._retries) >= self._size:
            return False
        self._retries[exchange] = None
        return True

    def remove(self, exchange: Exchange) -> None:
        """This one, if it waits at all, waits no longer."""
        self._waiting.pop(exchange, None)
        self._retries.pop(exchange, None)

    def admit(self) -> None:
        """Somebody is ready: admit them, once all are known who became ready at this moment."""
        if self._waiting and self._admit_handle is None:
            self._admit_handle = asyncio.get_running_loop().call_soon(self._admit_waiting)

    def admit_retries(self) -> None:
        """A further attempt has ended: admit those who wait for that, once its own request is done with."""
        if self._retries and self._retry_handle is None:
            self._retry_handle = asyncio.get_running_loop().call_soon(self._admit_retries)

    def sweep(self) -> None:
        """Turn away who has waited for too long, and admit who has waited for word; to be called once a second."""
        self._tick += 1
        while self._waiting and self._tick - next(iter(self._waiting.values())) > self._timeout:
            self._first().reject()
        if self._pool.ready:
            self.admit()

    def close(self) -> None:
        """Turn everybody away, from now on."""
        self._size = 0
        while self._waiting:
            self._first().reject()
        while self._retries:
            self._retries.popitem(False)[0].reject()

    # Private

    def _first(self) -> Exchange:
        return self._waiting.popitem(False)[0]

    def _admit_waiting(self) -> None:
        self._admit_handle = None
        self._dialing = [exchange for exchange in self._dialing if exchange.is_dialing]
        while self._waiting and len(self._dialing) < _DIALS_PER_BACKEND * self._pool.ready:
            exchange = self._first()
            self._dialing.append(exchange)
            _admit(exchange)
        if self._waiting and self._pool.ready:
            self._admit_handle = asyncio.get_running_loop().call_later(_PAUSE, self._admit_waiting)
        else:
            self._dialing.clear()

    def _admit_retries(self) -> None:
        self._retry_handle = None
        while self._retries:
            exchange, _ = self._retries.popitem(False)
            _admit(exchange)
            if exchange in self._retries:  # it is too early
                self._retries.move_to_end(exchange, last=False)
                return


# Private


def _admit(exchange: Exchange) -> None:
    try:
        exchange.dequeued()
    except Exception as fault:
        exchange.inbound.own_up(fault)
