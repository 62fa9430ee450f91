"""Replicas as the Docker Engine reports them, and the backends that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from composectl.balance.outlier import OutlierDetector
from composectl.balance.phase import Phase
from composectl.balance.stats import Latency, Rate
from composectl.errors import plural

Key = tuple[str, str, str, str, tuple[tuple[int | None, int], ...]]


class ContainerHealth(StrEnum):
    """Docker's own verdict on a running container."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"  # its HEALTHCHECK has not passed, or it is paused
    NONE = "none"  # it has no HEALTHCHECK


@dataclass(frozen=True, slots=True)
class Replica:
    """One run of a container at one address; a restart or another address makes another replica.

    `id` is the container's 64 hex digits, `started` its start time as Docker writes it. `stop_grace_period` is in
    seconds, `stop_signal` is a number. `ports` maps each port of the container to the port of `host` at which it is
    reached; it is empty where both are the same. `network` is the id of the network, `endpoint` the id of the
    container's place there, a new one after each join; both are "" where there is none. `node`: the host name of the
    node of a swarm that it runs on; "" for one that is no task.
    """

    id: str
    started: str
    number: int
    name: str
    host: str
    health: ContainerHealth = ContainerHealth.NONE
    stop_grace_period: float = 10.0
    stop_signal: int = 15
    ports: tuple[tuple[int | None, int], ...] = ()
    network: str = ""
    endpoint: str = ""
    node: str = ""

    @property
    def key(self) -> Key:
        """The identity of this run at this address."""
        return self.id, self.started, self.host, self.endpoint, self.ports

    def address(self, target: int | None) -> tuple[str, int]:
        """Where its port `target` is reached, or its own port where that is None; port 0 where it is not reached."""
        return self.host, dict(self.ports).get(target, 0) if self.ports else target or 0


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one backend's phase; `at` is in epoch seconds."""

    at: float
    service: str
    number: int
    name: str
    before: Phase
    after: Phase
    reason: str


class Counters:
    """The outcomes of requests; `responses` counts final responses by class: index 2 for 2xx.

    `connections` are those that are open now, of all that were balanced as connections. `bytes_received` came from
    their clients, `bytes_sent` went to these.
    """

    __slots__ = (
        *("bytes_received", "bytes_sent", "connections", "connections_total"),
        *("failed", "in_flight", "latency", "requests", "responses", "retried"),
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests = 0
        self.failed = 0
        self.retried = 0
        self.responses = [0] * 6
        self.latency = Latency()
        self.connections = 0
        self.connections_total = 0
        self.bytes_received = 0
        self.bytes_sent = 0

    def add(self, other: Counters) -> None:
        """Add the counts of `other`, without its latencies."""
        self.in_flight += other.in_flight
        self.requests += other.requests
        self.failed += other.failed
        self.retried += other.retried
        self.responses = [mine + theirs for mine, theirs in zip(self.responses, other.responses, strict=True)]
        self.connections += other.connections
        self.connections_total += other.connections_total
        self.bytes_received += other.bytes_received
        self.bytes_sent += other.bytes_sent


class Backend(Counters):
    """One replica behind the balancer; the pool alone changes `phase`, which began at `since` in epoch seconds.

    `check_error`: how its last check failed, or why it was ejected; "" where it was well. `vacated`: of those in
    flight, the requests that it has failed and that wait for another backend, where there is a cap.
    """

    __slots__ = ("check_error", "outlier", "phase", "rate", "received_rate", "replica", "sent_rate", "since", "vacated")

    def __init__(self, replica: Replica, since: float) -> None:
        super().__init__()
        self.replica = replica
        self.phase = Phase.STARTING
        self.since = since
        self.check_error = ""
        self.outlier = OutlierDetector()
        self.rate = Rate()
        self.received_rate = Rate()
        self.sent_rate = Rate()
        self.vacated = 0

    def __repr__(self) -> str:
        return f"<Backend {self.replica.name} {self.phase} {self.in_flight} in flight>"


def name_load(backends: Iterable[Counters]) -> str:
    """What is in flight, in words: `1 request`, `3 connections`, `1 request and 3 connections`; "" for nothing."""
    each = [(backend.in_flight, backend.connections) for backend in backends]
    connections = sum(number for _, number in each)
    requests = sum(number for number, _ in each) - connections
    counts = ((requests, "request"), (connections, "connection"))
    return " and ".join(plural(number, noun) for number, noun in counts if number > 0)


def join_address(host: str, port: int) -> str:
    """`host:port`, with the brackets that an IPv6 address needs (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
