"""Token buckets: how many requests a client may send in which time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MAX_CLIENTS: Final = 65_536
_SECOND: Final = 1_000_000_000
_FORGOTTEN_AT_ONCE: Final = 2
_UNITS: Final = {1: "s", 60: "m", 3600: "h"}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`count` requests in so many `seconds`, and up to `burst` of them at once."""

    count: int
    seconds: int
    burst: int

    def __str__(self) -> str:
        burst = "" if self.burst == self.count else f":{self.burst}"
        return f"{self.count}/{_UNITS[self.seconds]}{burst}"


class TokenBuckets:
    """A bucket for each client, `max_clients` at most: beyond, the one that was used least recently is forgotten.

    A bucket is the moment, in nanoseconds, at which it will be full, as in the generic cell rate algorithm (ITU-T
    I.371). One that is full need not be kept.
    """

    __slots__ = ("_full_at", "_interval", "_max_clients", "_tolerance")

    def __init__(self, rate: RateLimit, max_clients: int = MAX_CLIENTS) -> None:
        self._max_clients = max_clients
        self._interval = rate.seconds * _SECOND // rate.count
        self._tolerance = (rate.burst - 1) * self._interval
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, client: str, now: int) -> int:
        """Take a token at this moment; returns 0, or the nanoseconds until there is one."""
        full_at = self._full_at
        before = full_at.get(client, 0)
        if before <= now:
            if not before:
                self._forget(now)
            before = now
        wait = before - now - self._tolerance
        if wait <= 0:
            full_at[client] = before + self._interval
        full_at.move_to_end(client)
        return max(0, wait)

    def give_back(self, client: str) -> None:
        """The token that was taken is not used."""
        if client in self._full_at:
            self._full_at[client] -= self._interval

    # Private

    def _forget(self, now: int) -> None:
        """Make room for another client."""
        full_at = self._full_at
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not full_at:
                return
            oldest = next(iter(full_at))
            if full_at[oldest] > now and len(full_at) < self._max_clients:
                return
            del full_at[oldest]
