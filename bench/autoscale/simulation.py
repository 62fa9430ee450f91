"""A service in simulated time: requests come, wait, take a place at a replica, and go; replicas take time to start."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from bench.autoscale.deciders import Decider, Look

PLACES = 4  # requests at one replica at once: the others wait
SERVICE_SECONDS = 0.25  # of one request, on average
_STEP = 0.5  # seconds between two points of a curve


@dataclass(slots=True)
class Outcome:
    """`replica_seconds` count from the order to start; `waits` are seconds in the queue, one for each request.

    `curve`: second, load in flight and queued, desired and ready replicas, in steps.
    """

    replica_seconds: float = 0.0
    changes: int = 0
    waits: list[float] = field(default_factory=list)
    curve: list[tuple[float, int, int, int]] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """Seconds in the queue that 99 % of the requests do not exceed."""
        return sorted(self.waits)[int(0.99 * (len(self.waits) - 1))]


def simulate(arrivals: Sequence[float], decider: Decider, start_seconds: float, least: int, seed: int = 1) -> Outcome:
    """Play until the last request is served; the durations come from `seed`, whatever the decider."""
    return _Simulation(arrivals, decider, start_seconds, least, seed).run()


class _Simulation:
    def __init__(
        self, arrivals: Sequence[float], decider: Decider, start_seconds: float, least: int, seed: int
    ) -> None:
        random = Random(seed)
        self._coming = deque((at, random.expovariate(1 / SERVICE_SECONDS)) for at in arrivals)
        self._decider = decider
        self._start_seconds = start_seconds
        self._now = 0.0
        self._ready = self._desired = least
        self._starting: deque[float] = deque()  # when each will be ready
        self._queue: deque[tuple[float, float]] = deque()  # arrival and duration
        self._ends: list[float] = []
        self._load = self._busy = 0.0
        self._requests = 0
        self._outcome = Outcome()

    def run(self) -> Outcome:
        next_look, next_point = 0.0, 0.0
        while self._coming or self._queue or self._ends:
            moments = [next_look, next_point]
            moments += [self._coming[0][0]] if self._coming else []
            moments += [self._ends[0]] if self._ends else []
            moments += [self._starting[0]] if self._starting else []
            self._advance(min(moments))
            self._let_come()
            while self._starting and self._starting[0] <= self._now:
                self._starting.popleft()
                self._ready += 1
            if self._now >= next_look:
                self._look()
                next_look += self._decider.interval
            if self._now >= next_point:
                in_flight = len(self._ends) + len(self._queue)
                self._outcome.curve.append((self._now, in_flight, self._desired, self._ready))
                next_point += _STEP
            self._serve()
        return self._outcome

    def _advance(self, to: float) -> None:
        seconds = to - self._now
        self._load += seconds * (len(self._ends) + len(self._queue))
        self._busy += seconds * len(self._ends)
        self._outcome.replica_seconds += seconds * max(self._ready + len(self._starting), len(self._ends) / PLACES)
        self._now = to

    def _let_come(self) -> None:
        while self._ends and self._ends[0] <= self._now:
            heappop(self._ends)
        while self._coming and self._coming[0][0] <= self._now:
            self._queue.append(self._coming.popleft())
            self._requests += 1

    def _look(self) -> None:
        desired = self._decider.decide(Look(self._now, self._load, self._busy, self._requests, self._ready))
        self._outcome.changes += desired != self._desired
        self._desired = desired
        while len(self._starting) + self._ready > desired:
            if self._starting:
                self._starting.pop()
            else:
                self._ready -= 1
        while len(self._starting) + self._ready < desired:
            self._starting.append(self._now + self._start_seconds)

    def _serve(self) -> None:
        while self._queue and len(self._ends) < PLACES * self._ready:
            arrival, duration = self._queue.popleft()
            self._outcome.waits.append(self._now - arrival)
            heappush(self._ends, self._now + duration)
