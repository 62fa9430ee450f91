"""What one listener allows its clients and its backends."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """None, and nothing in a collection, is no limit; the sweep keeps the seconds, so that they are exact to one.

    `head_seconds`: for a backend to begin its answer, once it has the whole request; then another is asked, or 504.
    `stall_seconds`: of silence within an answer; then it is broken off.
    `body_bytes`: of a request; more is a 413.
    `trusted`: the networks of proxies in front of us, whose word is taken for whom they forward for.
    `hosts`: the names, in lower case and without a port, that are answered for; others get a 421.
    """

    head_seconds: int | None = None
    stall_seconds: int | None = None
    body_bytes: int | None = None
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()
    hosts: frozenset[bytes] = frozenset()
