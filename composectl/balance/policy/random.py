"""Any backend, or the less busy of two."""

from __future__ import annotations

import random

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid


class Random:
    """Each backend with the same chance. O(1), for a few to avoid."""

    def __init__(self, generator: random.Random | None = None) -> None:
        self._random = (generator or random.Random()).random
        self._backends: list[Backend] = []
        self._places: dict[Backend, int] = {}

    def add(self, backend: Backend) -> None:
        self._places[backend] = len(self._backends)
        self._backends.append(backend)

    def remove(self, backend: Backend) -> None:
        place, last = self._places.pop(backend), self._backends.pop()
        if last is not backend:
            self._places[last] = place
            self._backends[place] = last

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        backends = self._backends
        if len(backends) <= len(avoid):
            backends = [backend for backend in backends if backend not in avoid]
        if not backends:
            return None
        while True:
            backend = backends[int(self._random() * len(backends))]
            if backend not in avoid:
                return backend

    def take(self, backend: Backend) -> None:
        pass

    def release(self, backend: Backend) -> None:
        pass


class PowerOfTwoChoices(Random):
    """The less busy of two random ones. O(1)."""

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        first = super().acquire(avoid)
        second = first and super().acquire((*avoid, first))
        return second if first and second and second.in_flight < first.in_flight else first
