"""Those that decide how many replicas there should be: ours, a plain KPA, and a CPU-threshold HPA."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor
from typing import Protocol

from composectl.balance.autoscale import AutoscaleConfig, Autoscaler, Sample
from composectl.balance.replica_range import ReplicaRange


@dataclass(frozen=True, slots=True)
class Look:
    """What is known at one moment: integrals until then, and how many replicas are ready.

    `load`: of requests in flight and queued. `busy`: of the places of replicas that were taken.
    """

    at: float
    load: float
    busy: float
    requests: int
    ready: int


class Decider(Protocol):
    """`interval`: the seconds between two decisions."""

    interval: float

    def decide(self, look: Look) -> int: ...


class Ours:
    """The autoscaler of composectl."""

    interval = 1.0

    def __init__(self, bounds: ReplicaRange, places: int) -> None:
        self._autoscaler = Autoscaler(bounds, AutoscaleConfig(), places)
        self._desired = bounds.least

    def decide(self, look: Look) -> int:
        self._autoscaler.observe(Sample(look.at, look.load, requests=look.requests))
        self._desired = self._autoscaler.decide(look.ready, self._desired).desired
        return self._desired


class Kpa:
    """Written down from Knative's documents: rates of 1000 and 2, a look each 2 s; the target is that of ours.

    https://knative.dev/docs/serving/autoscaling/kpa-specific/ and .../concurrency/
    """

    interval = 2.0
    stable_window, panic_window, panic_threshold = 60.0, 6.0, 2.0
    max_scale_up_rate, max_scale_down_rate = 1000.0, 2.0

    def __init__(self, bounds: ReplicaRange, places: int) -> None:
        self._bounds = bounds
        self._target = 0.75 * places
        self._seconds: deque[tuple[float, float]] = deque(maxlen=60)  # averages of spans, newest last
        self._before: Look | None = None
        self._panic_at: float | None = None
        self._max_panic_pods = 0

    def decide(self, look: Look) -> int:
        if self._before is not None:
            seconds = look.at - self._before.at
            self._seconds.append((seconds, (look.load - self._before.load) / seconds))
        self._before = look
        ready = max(1, look.ready)
        up, down = ceil(self.max_scale_up_rate * ready), floor(ready / self.max_scale_down_rate)
        stable = ceil(self._mean(self.stable_window) / self._target)
        panic = ceil(self._mean(self.panic_window) / self._target)
        over = panic / ready >= self.panic_threshold
        if over and self._panic_at is None:
            self._panic_at, self._max_panic_pods = look.at, 0
        elif over:
            self._panic_at = look.at
        elif self._panic_at is not None and look.at - self._panic_at > self.stable_window:
            self._panic_at = None
        stable, panic = (min(max(pods, down), up) for pods in (stable, panic))
        if self._panic_at is not None:
            self._max_panic_pods = stable = max(self._max_panic_pods, stable, panic)
        return min(self._bounds.most, max(self._bounds.least, stable))

    def _mean(self, window: float) -> float:
        total = weight = 0.0
        for seconds, average in reversed(self._seconds):
            if weight >= window:
                break
            total, weight = total + seconds * average, weight + seconds
        return total / weight if weight else 0.0


class Hpa:
    """A Horizontal Pod Autoscaler of Kubernetes on CPU, with its defaults and a target of 70 %.

    A look each 15 s, a tolerance of 10 %, at most twice as many or four more at once, the highest of the last 300 s.
    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
    """

    interval = 15.0
    target, tolerance, stabilization = 0.7, 0.1, 300.0

    def __init__(self, bounds: ReplicaRange, places: int) -> None:
        self._bounds = bounds
        self._places = places
        self._before: Look | None = None
        self._desired = bounds.least
        self._wanted: deque[tuple[float, int]] = deque()

    def decide(self, look: Look) -> int:
        before, self._before = self._before, look
        if before is None:
            return self._desired
        used = (look.busy - before.busy) / (look.at - before.at) / self._places
        ratio = used / max(1, look.ready) / self.target
        wanted = self._desired if abs(ratio - 1) <= self.tolerance else ceil(look.ready * ratio)
        wanted = min(wanted, max(2 * self._desired, self._desired + 4))
        self._wanted.append((look.at, wanted))
        while look.at - self._wanted[0][0] > self.stabilization:
            self._wanted.popleft()
        if wanted < self._desired:
            wanted = min(self._desired, max(most for _, most in self._wanted))
        self._desired = min(self._bounds.most, max(self._bounds.least, wanted))
        return self._desired


MakeDecider = Callable[[ReplicaRange, int], Decider]
DECIDERS: dict[str, MakeDecider] = {"composectl": Ours, "KPA": Kpa, "HPA on CPU": Hpa}
