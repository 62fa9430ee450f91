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
        self._full: set[Backend] = set()  # of those that are ready
        self._ready = 0

    @property
    def has_room(self) -> bool:
        """Whether a backend that is ready may get one more."""
        return len(self._full) < self._ready

    def is_full(self, backend: Backend) -> bool:
        return backend.in_flight - backend.vacated >= self._limit

    def add(self, backend: Backend) -> None:
        self._ready += 1
        self.policy.add(backend)
        if self.is_full(backend):
            self._full.add(backend)

    def remove(self, backend: Backend) -> None:
        self._ready -= 1
        self.policy.remove(backend)
        self._full.discard(backend)

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        full = self._full
        if full:
            if len(full) == self._ready:
                return None
            avoid = full.union(avoid) if avoid else full
        backend = self.policy.acquire(avoid, key)
        if backend is not None:
            self._taken(backend)
        return backend

    def take(self, backend: Backend) -> None:
        self.policy.take(backend)
        self._taken(backend)

    def release(self, backend: Backend) -> None:
        self.policy.release(backend)
        self._freed(backend)

    def vacate(self, backend: Backend) -> None:
        """A request that this backend has failed waits for another one: its place here is free."""
        backend.vacated += 1
        self._freed(backend)

    # Private

    def _taken(self, backend: Backend) -> None:
        """One more is about to be counted there."""
        if backend.in_flight - backend.vacated + 1 >= self._limit:
            self._full.add(backend)

    def _freed(self, backend: Backend) -> None:
        if backend in self._full and not self.is_full(backend):
            self._full.discard(backend)
            self._on_room()
