"""A replica as the Docker Engine reports it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from composectl.balance.outlier import Standing
from composectl.balance.phase import Phase
from composectl.balance.stats import Latency, Rate

Key = tuple[str, str, str, str, tuple[tuple[int | None, int], ...]]


class Report(StrEnum):
    """What Docker itself says of a running replica."""

    UP = "up"  # its HEALTHCHECK passes
    DOWN = "down"  # its HEALTHCHECK has not passed, or the replica is paused
    SILENT = "silent"  # it has no HEALTHCHECK: ask its port


@dataclass(frozen=True, slots=True)
class Replica:
    """One run of a container at one address: restarted, or moved to another one, it is another replica.

    `id` is the container's 64 hex digits, `started` its start time as Docker writes it, `host` the address at
    which it is reached, `grace` the seconds that it is given to stop, `stop_signal` the number of
    the signal by which it is told to. `ports`: its own ports, each with the one of `host` at which it is reached; empty
    where that is the same. `network` is the id of the network that it is on, `endpoint` the id of its place there, a
    new one each time that it joins; "" where there is none.
    """

    id: str
    started: str
    number: int
    name: str
    host: str
    report: Report = Report.SILENT
    grace: float = 10.0
    stop_signal: int = 15
    ports: tuple[tuple[int | None, int], ...] = ()
    network: str = ""
    endpoint: str = ""

    @property
    def key(self) -> Key:
        """The identity of this run at this address."""
        return self.id, self.started, self.host, self.endpoint, self.ports

    def address(self, target: int | None) -> tuple[str, int]:
        """Where its port `target` is reached, or its own port where that is None; port 0 if it is not reached."""
        return self.host, dict(self.ports).get(target, 0) if self.ports else target or 0


@dataclass(frozen=True, slots=True)
class Change:
    """One move of one backend; `at` in epoch seconds."""

    at: float
    service: str
    number: int
    name: str
    before: Phase
    after: Phase
    why: str


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
