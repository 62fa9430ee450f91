"""Any backend, or the less busy of two."""

from __future__ import annotations

import random

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid


class RandomSet:
    """A set to sample from. Everything is O(1), for a few to avoid."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator.random
        self._backends: list[Backend] = []
        self._places: dict[Backend, int] = {}

    def add(self, backend: Backend) -> None:
        self._places[backend] = len(self._backends)
        self._backends.append(backend)

    def remove(self, backend: Backend) -> None:
        """Take `backend` out; the last one moves to its place."""
        place, last = self._places.pop(backend), self._backends.pop()
        if last is not backend:
            self._places[last] = place
            self._backends[place] = last

    def sample(self, avoid: Avoid = ()) -> Backend | None:
        """Any backend that is not in `avoid`, each with the same chance; None where there is none."""
        backends = self._backends
        if len(backends) <= len(avoid):
            backends = [backend for backend in backends if backend not in avoid]
        if not backends:
            return None
        while True:
            backend = backends[int(self._random() * len(backends))]
            if backend not in avoid:
                return backend


class Random:
    """Each backend with the same chance. O(1)."""

    def __init__(self, generator: random.Random | None = None) -> None:
        backends = RandomSet(generator or random.Random())
        self.add = backends.add
        self.remove = backends.remove
        self._sample = backends.sample

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        return self._sample(avoid)

    def release(self, backend: Backend) -> None:
        pass


class PowerOfTwoChoices(Random):
    """The less busy of two random ones. O(1)."""

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        one = self._sample(avoid)
        other = one and self._sample((*avoid, one))
        return other if one and other and other.in_flight < one.in_flight else one
