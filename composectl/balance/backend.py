"""A backend: a replica that we may balance to, with its phase and its counters."""

from __future__ import annotations

from composectl.balance.latency import Latency
from composectl.balance.phase import Phase
from composectl.balance.rate import Rate
from composectl.balance.replica import Replica
from composectl.balance.standing import Standing


class Tally:
    """What became of requests; `responses` counts final responses by class: index 2 for 2xx."""

    __slots__ = ("failed", "in_flight", "latency", "requests", "responses", "retried")

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests = 0
        self.failed = 0
        self.retried = 0
        self.responses = [0] * 6
        self.latency = Latency()

    def add(self, other: Tally) -> None:
        """Take over the counts of `other`."""
        self.in_flight += other.in_flight
        self.requests += other.requests
        self.failed += other.failed
        self.retried += other.retried
        self.responses = [mine + theirs for mine, theirs in zip(self.responses, other.responses, strict=True)]


class Backend(Tally):
    """One replica behind the balancer; the pool alone changes `phase`.

    `since` is when the phase began, in epoch seconds.
    """

    __slots__ = ("phase", "rate", "replica", "since", "standing")

    def __init__(self, replica: Replica, since: float) -> None:
        super().__init__()
        self.replica = replica
        self.phase = Phase.STARTING
        self.since = since
        self.standing = Standing()
        self.rate = Rate()

    def __repr__(self) -> str:
        return f"<Backend {self.replica.name} {self.phase} {self.in_flight} in flight>"
