"""The backend with the fewest requests in flight."""

from __future__ import annotations

from collections import OrderedDict

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid


class LeastRequest:
    """The fewest in flight; ties in turn. O(1); with `avoid`, a step more for each in it and for each empty level.

    Level n holds the backends with n requests in flight. `acquire` comes before the request is counted there,
    `release` after it was taken off.
    """

    def __init__(self) -> None:
        self._levels: list[OrderedDict[Backend, None]] = [OrderedDict()]
        self._lowest = 0
        self._size = 0

    def add(self, backend: Backend) -> None:
        self._size += 1
        self._put(backend, backend.in_flight)

    def remove(self, backend: Backend) -> None:
        self._size -= 1
        del self._levels[backend.in_flight][backend]

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        if not self._size:
            return None
        levels, lowest = self._levels, self._lowest
        while not levels[lowest]:
            lowest += 1
        self._lowest = lowest
        if avoid:
            return self._acquire_outside(avoid)
        backend, _ = levels[lowest].popitem(False)
        self._put(backend, lowest + 1)
        return backend

    def release(self, backend: Backend) -> None:
        level, levels = backend.in_flight, self._levels
        del levels[level + 1][backend]
        levels[level][backend] = None
        if level < self._lowest:
            self._lowest = level

    # Private

    def _put(self, backend: Backend, level: int) -> None:
        while len(self._levels) <= level:
            self._levels.append(OrderedDict())
        self._levels[level][backend] = None
        if level < self._lowest:
            self._lowest = level

    def _acquire_outside(self, avoid: Avoid) -> Backend | None:
        levels = (self._levels[number] for number in range(self._lowest, len(self._levels)))
        backend = next((backend for level in levels for backend in level if backend not in avoid), None)
        if backend is not None:
            del self._levels[backend.in_flight][backend]
            self._put(backend, backend.in_flight + 1)
        return backend
