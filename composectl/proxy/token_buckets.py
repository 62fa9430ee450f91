"""Token buckets: how many requests a client may send in which time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_CLIENTS: Final = 65_536
_SECOND: Final = 1_000_000_000
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

    def split(self, processes: int) -> RateLimit:
        """The part of each process, where several count by themselves; one at once is the least."""
        return RateLimit(self.count, self.seconds * processes, max(1, self.burst // processes))


class TokenBuckets:
    """A bucket for each client, for 65,536 at most: beyond, those are forgotten that were not seen for longest.

    A bucket is the moment, in nanoseconds, at which it will be full, as in the generic cell rate algorithm (ITU-T
    I.371). One that is full need not be kept: `_older` are those that were not used since the last turn, and the next
    one comes when they are full, or when there are too many others.
    """

    __slots__ = ("_half", "_interval", "_older", "_recent", "_tolerance", "_turn_at")

    def __init__(self, rate: RateLimit, max_clients: int = MAX_CLIENTS) -> None:
        self._half = max_clients // 2
        self._interval = rate.seconds * _SECOND // rate.count
        self._tolerance = (rate.burst - 1) * self._interval
        self._recent: dict[str, int] = {}
        self._older: dict[str, int] = {}
        self._turn_at = 0

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def take(self, client: str, now: int) -> int:
        """Take a token at this moment; returns 0, or the nanoseconds until there is one."""
        if now >= self._turn_at or len(self._recent) >= self._half:
            self._turn(now)
        full_at = self._recent.get(client, 0) or self._older.get(client, 0)
        if full_at < now:
            full_at = now
        wait = full_at - now - self._tolerance
        if wait > 0:
            self._recent[client] = full_at
            return wait
        self._recent[client] = full_at + self._interval
        return 0

    def give_back(self, client: str) -> None:
        """The token that was taken is not used."""
        full_at = self._recent.get(client, 0) or self._older.get(client, 0)
        if full_at:
            self._recent[client] = full_at - self._interval

    # Private

    def _turn(self, now: int) -> None:
        self._older, self._recent = self._recent, {}
        self._turn_at = now + self._tolerance + self._interval
