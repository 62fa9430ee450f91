"""The waiting room: requests are held while nobody is ready, and go on in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composectl.balance.pool import Pool
    from composectl.proxy.exchange import Exchange

# So many for each ready backend may be without a connection: all at once would overrun the backlog of the first one,
# and leave nothing to the next.
_AT_ONCE = 32
_PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class Holding:
    """For how many `seconds` a request is held, exact to one, and how many are at once; with a 0 none is."""

    seconds: int = 30
    most: int = 1000


class WaitingRoom:
    """Holds the requests of one service, whichever listener they came by."""

    def __init__(self, pool: Pool, holding: Holding) -> None:
        self._pool = pool
        pool.tell_freed = self.move_up
        self._seconds = holding.seconds
        self._most = holding.most if holding.seconds else 0
        self._line: OrderedDict[Exchange, int] = OrderedDict()  # and when each of them came, in ticks
        self._behind: OrderedDict[Exchange, None] = OrderedDict()  # who wait for a further attempt of others to end
        self._next: asyncio.Handle | None = None
        self._tick = 0
        self._turn: asyncio.Handle | None = None
        self._connecting: list[Exchange] = []  # of those who were admitted

    @property
    def held(self) -> int:
        """How many are held now."""
        return len(self._line) + len(self._behind)

    @property
    def goes_first(self) -> bool:
        """Whether a new request is to wait behind others, and may."""
        return 0 < len(self._line) < self._most

    def hold(self, exchange: Exchange) -> bool:
        """Let this one wait, if there is room: it will be admitted or turned away, unless it leaves."""
        if len(self._line) >= self._most:
            return False
        self._line[exchange] = self._tick
        return True

    def line_up(self, exchange: Exchange) -> bool:
        """Let this one wait, if there is room, until a further attempt has ended: there may be only so many at once."""
        if len(self._behind) >= self._most:
            return False
        self._behind[exchange] = None
        return True

    def leave(self, exchange: Exchange) -> None:
        """This one, if it waits at all, waits no longer."""
        self._line.pop(exchange, None)
        self._behind.pop(exchange, None)

    def open(self) -> None:
        """Somebody is ready: admit them, once all are known who became ready at this moment."""
        if self._line and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._admit_some)

    def move_up(self) -> None:
        """A further attempt has ended: admit those who wait for that, once its own request is done with."""
        if self._behind and self._next is None:
            self._next = asyncio.get_running_loop().call_soon(self._admit_behind)

    def sweep(self) -> None:
        """Turn away who has waited for too long, and admit who has waited for word; to be called once a second."""
        self._tick += 1
        while self._line and self._tick - next(iter(self._line.values())) > self._seconds:
            self._first().turned_away()
        if self._pool.ready:
            self.open()

    def close(self) -> None:
        """Turn everybody away, from now on."""
        self._most = 0
        while self._line:
            self._first().turned_away()
        while self._behind:
            self._behind.popitem(False)[0].turned_away()

    # Private

    def _first(self) -> Exchange:
        return self._line.popitem(False)[0]

    def _admit_some(self) -> None:
        self._turn = None
        self._connecting = [exchange for exchange in self._connecting if exchange.is_connecting]
        while self._line and len(self._connecting) < _AT_ONCE * self._pool.ready:
            exchange = self._first()
            self._connecting.append(exchange)
            _admit(exchange)
        if self._line and self._pool.ready:
            self._turn = asyncio.get_running_loop().call_later(_PAUSE, self._admit_some)
        else:
            self._connecting.clear()

    def _admit_behind(self) -> None:
        self._next = None
        while self._behind:
            exchange, _ = self._behind.popitem(False)
            _admit(exchange)
            if exchange in self._behind:  # it is too early
                self._behind.move_to_end(exchange, last=False)
                return


# Private


def _admit(exchange: Exchange) -> None:
    try:
        exchange.admitted()
    except Exception as fault:
        exchange.inbound.own_up(fault)
