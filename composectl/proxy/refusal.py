"""Refusals: what a request that is not admitted is answered with."""

from __future__ import annotations

from typing import Final

from composectl.proxy.errors import ErrorReason
from composectl.proxy.head import Fields

_SECOND: Final = 1_000_000_000


class Refusal:
    """The proxy's own response, and the `fields` that only this one has."""

    __slots__ = ("fields", "reason", "status")

    def __init__(self, status: int, reason: ErrorReason, fields: Fields) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields


def refusal_for(reason: ErrorReason, wait: int) -> Refusal:
    """A client that asks too often is told when to ask again, after so many nanoseconds (RFC 6585, section 4)."""
    return Refusal(429, reason, [(b"Retry-After", b"%d" % max(1, -(-wait // _SECOND)))])
