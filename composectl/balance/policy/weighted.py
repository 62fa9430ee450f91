"""Policies under which some backends get less than the others: slow start and canaries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid, Policy

_MIN_WEIGHT = 0.01  # so that backends which have just begun take turns where there are no others


class SmoothWeighted:
    """Smooth weighted round robin among single backends and one group of all others, which `policy` has.

    Each turn adds its weight to the credit of each, and goes to the largest credit.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._credit: dict[Backend, float] = {}  # of each with a weight of its own
        self._credit_of_others = 0.0

    def take(self, backend: Backend) -> None:
        if backend not in self._credit:
            self._policy.take(backend)

    def release(self, backend: Backend) -> None:
        if backend not in self._credit:
            self._policy.release(backend)

    # Private

    def _next(self, weights: Mapping[Backend, float], others: float, avoid: Avoid, key: str) -> Backend | None:
        """The backend whose turn it is; `others` is the weight of the group, 0 where that is empty."""
        for backend, weight in weights.items():
            self._credit[backend] += weight
        self._credit_of_others += others
        total = sum(weights.values()) + others
        allowed = [backend for backend in weights if backend not in avoid]
        first = max(allowed, key=self._credit.__getitem__, default=None)
        if others and (first is None or self._credit[first] <= self._credit_of_others):
            self._credit_of_others -= total
            return self._policy.acquire(avoid, key) or next(iter(allowed), None)
        if first is not None:
            self._credit[first] -= total
        return first


class SlowStart(SmoothWeighted):
    """The share of a backend that becomes ready rises linearly, over `seconds`, to that of the others.

    After a quarter of the time, one of n backends gets a quarter of an nth of the requests, evenly spread.
    `policy` has all the others. O(1) while none is starting; one step for each that is.
    """

    def __init__(self, policy: Policy, seconds: float, clock: Callable[[], float]) -> None:
        super().__init__(policy)
        self._seconds = seconds
        self._clock = clock
        self._starting: dict[Backend, float] = {}  # since when
        self._started = 0

    def add(self, backend: Backend) -> None:
        self._starting[backend] = self._clock()
        self._credit[backend] = 0.0

    def remove(self, backend: Backend) -> None:
        if backend in self._starting:
            self._end_start(backend)
        else:
            self._started -= 1
            self._policy.remove(backend)

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        if not self._starting:
            return self._policy.acquire(avoid, key)
        weights = dict(self._weights())
        others = len(weights) + self._started - sum(weights.values()) if self._started else 0
        return self._next(weights, others, avoid, key)

    # Private

    def _weights(self) -> Iterator[tuple[Backend, float]]:
        """The weight below 1 of each backend that is starting now; one that reaches 1 has started."""
        now = self._clock()
        for backend, began in list(self._starting.items()):
            weight = (now - began) / self._seconds
            if weight < 1:
                yield backend, max(weight, _MIN_WEIGHT)
            else:
                self._end_start(backend)
                self._started += 1
                self._policy.add(backend)

    def _end_start(self, backend: Backend) -> None:
        del self._starting[backend], self._credit[backend]


class CanarySplit(SmoothWeighted):
    """The canaries, all backends but those of the containers `old`, get `share` of the requests, together.

    `share` is between 0 and 1. `policy` has the others; `ready` are the backends that it has until now.
    """

    def __init__(self, policy: Policy, old: Collection[str], share: float, ready: Iterable[Backend]) -> None:
        super().__init__(policy)
        self.share = share
        self._old = frozenset(old)
        for backend in filter(self.is_canary, ready):
            policy.remove(backend)
            self.add(backend)

    def is_canary(self, backend: Backend) -> bool:
        """Whether it is one of those with this share."""
        return backend.replica.id not in self._old

    def end(self) -> Policy:
        """The policy that was there before, with all that are ready."""
        for backend in self._credit:
            self._policy.add(backend)
        return self._policy

    def add(self, backend: Backend) -> None:
        if self.is_canary(backend):
            self._credit[backend] = 0.0
        else:
            self._policy.add(backend)

    def remove(self, backend: Backend) -> None:
        if self.is_canary(backend):
            del self._credit[backend]
        else:
            self._policy.remove(backend)

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        if not self._credit:
            return self._policy.acquire(avoid, key)
        weights = dict.fromkeys(self._credit, self.share / len(self._credit))
        return self._next(weights, 1 - self.share, avoid, key)
