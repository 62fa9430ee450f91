"""A cap on what is in flight at each backend: one that is full gets no more, whatever the policy."""

from __future__ import annotations

from collections.abc import Callable

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid, Policy


class Capped:
    """`policy` chooses among the backends that have fewer than `limit` in flight.

    `on_room` is called when a backend that was full is so no more. O(1) where none is full, or all are; else a step
    for each that is full, at most.
    """

    def __init__(self, policy: Policy, limit: int, on_room: Callable[[], None]) -> None:
        self.policy = policy
        self._limit = limit
        self._on_room = on_room
        self._ready: set[Backend] = set()
        self._full: set[Backend] = set()  # of those that are ready

    @property
    def has_room(self) -> bool:
        """Whether a backend that is ready may get one more."""
        return len(self._full) < len(self._ready)

    def is_full(self, backend: Backend) -> bool:
        return backend.in_flight - backend.vacated >= self._limit

    def add(self, backend: Backend) -> None:
        self._ready.add(backend)
        self.policy.add(backend)
        if self.is_full(backend):
            self._full.add(backend)

    def remove(self, backend: Backend) -> None:
        self._ready.discard(backend)
        self.policy.remove(backend)
        self._full.discard(backend)

    def forget(self, backend: Backend) -> None:
        """It is gone, and nothing is in flight there."""

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        full = self._full
        if full:
            if len(full) == len(self._ready):
                return None
            avoid = full.union(avoid) if avoid else full
        backend = self.policy.acquire(avoid, key)
        if backend is not None:
            self.claim(backend)
        return backend

    def take(self, backend: Backend) -> None:
        self.policy.take(backend)

    def claim(self, backend: Backend) -> bool:
        """Take a place at this backend, ready or not, where one more is about to be counted; false if it is full."""
        taken = backend.in_flight - backend.vacated
        if taken + 1 >= self._limit and backend in self._ready:
            self._full.add(backend)
        return taken < self._limit

    def release(self, backend: Backend) -> None:
        self.policy.release(backend)
        self._freed(backend)

    def vacate(self, backend: Backend) -> None:
        """A request that this backend has failed waits for another one: its place here is free."""
        backend.vacated += 1
        self.give_back(backend)
        self._freed(backend)

    def give_back(self, backend: Backend) -> None:
        """A place that was claimed is free; to be called before `release`, where the backend is ready."""

    # Private

    def _freed(self, backend: Backend) -> None:
        if backend in self._full and not self.is_full(backend):
            self._full.discard(backend)
            self._on_room()
