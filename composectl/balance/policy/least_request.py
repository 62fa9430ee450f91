"""The backend with the fewest requests in flight."""

from __future__ import annotations

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid


class _Place:
    """The place of a backend in a ring; the ring begins and ends with a place that has none."""

    __slots__ = ("backend", "following", "previous")

    previous: _Place
    following: _Place

    def __init__(self, backend: Backend | None = None) -> None:
        self.backend = backend
        self.previous = self
        self.following = self

    def join(self, ring: _Place) -> None:
        """Become the last of a ring."""
        last = ring.previous
        last.following = self
        self.previous = last
        self.following = ring
        ring.previous = self

    def leave(self) -> None:
        self.previous.following = self.following
        self.following.previous = self.previous


class LeastRequest:
    """The fewest in flight; ties in turn. O(1); with `avoid`, a step more for each in it and for each empty level.

    Level n is a ring of the backends with n requests in flight. `acquire` comes before the request is counted there,
    `release` after it was taken off.
    """

    def __init__(self) -> None:
        self._levels: list[_Place] = [_Place()]
        self._lowest = 0
        self._places: dict[Backend, _Place] = {}

    def add(self, backend: Backend) -> None:
        place = self._places[backend] = _Place(backend)
        self._put(place, backend.in_flight)

    def remove(self, backend: Backend) -> None:
        self._places.pop(backend).leave()

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        if not self._places:
            return None
        levels, lowest = self._levels, self._lowest
        place = levels[lowest].following
        while place.backend is None:
            lowest += 1
            place = levels[lowest].following
        self._lowest = lowest
        if avoid:
            return self._acquire_outside(avoid)
        place.leave()
        self._put(place, lowest + 1)
        return place.backend

    def take(self, backend: Backend) -> None:
        place = self._places[backend]
        place.leave()
        self._put(place, backend.in_flight + 1)

    def release(self, backend: Backend) -> None:
        place = self._places[backend]
        place.leave()
        self._put(place, backend.in_flight)

    # Private

    def _put(self, place: _Place, level: int) -> None:
        while len(self._levels) <= level:
            self._levels.append(_Place())
        place.join(self._levels[level])
        if level < self._lowest:
            self._lowest = level

    def _acquire_outside(self, avoid: Avoid) -> Backend | None:
        for level in range(self._lowest, len(self._levels)):
            place = self._levels[level].following
            while place.backend is not None:
                if place.backend not in avoid:
                    place.leave()
                    self._put(place, level + 1)
                    return place.backend
                place = place.following
        return None
