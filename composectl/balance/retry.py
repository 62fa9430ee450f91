"""When a request may be sent to another backend."""

from __future__ import annotations

from typing import Final

# Sending such a request twice is the same as sending it once (RFC 9110, section 9.2.2).
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))

MAX_RETRIES: Final = 2
_PRICE: Final = 5  # requests for one retry: 20 %
_FLOOR: Final = 3 * _PRICE


def may_retry(method: bytes, *, connected: bool, whole: bool, reached: int) -> bool:
    """Whether a request without a byte of a response may go to another backend.

    `connected`: it may have reached the backend; `whole`: all that was sent of it can be sent again; `reached`: the
    number of backends that it may have reached so far. An attempt without a connection is free.
    """
    return not connected or (whole and reached <= MAX_RETRIES and method in IDEMPOTENT)


class RetryBudget:
    """Retries at once: 20 % of the active requests, or three; retries that fail: 20 % of all requests, or three.

    Each request pays in a fifth of a retry, the first fifteen the three that are there from the beginning.
    No more is saved than there may be at once. A retry that fails is spent; one that succeeds costs nothing.
    """

    __slots__ = ("_active", "_paid", "_saved")

    def __init__(self) -> None:
        self._saved = self._paid = _FLOOR
        self._active = 0

    def allows(self, requests: int, active: int) -> bool:
        """Whether there may be one more, after so many requests in all, with so many of them in flight."""
        income = max(0, requests - self._paid)
        self._paid += income
        self._saved = min(self._saved + income, max(active, _FLOOR))
        return (self._active + 1) * _PRICE <= self._saved

    @property
    def in_use(self) -> bool:
        """Whether a retry is under way, whose end may make room for another."""
        return self._active > 0

    def begin(self) -> None:
        self._active += 1

    def end(self) -> None:
        """A retry has got its first byte, or has ended without."""
        self._active -= 1

    def spend(self) -> None:
        self._saved = max(0, self._saved - _PRICE)
