"""A policy whose new backends begin slowly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid, Policy

_LEAST = 0.01  # so that those who have just begun, and nobody else is there, are in turn


class _Start:
    """When a backend began, and how much of its share it is owed."""

    __slots__ = ("began", "owed")

    def __init__(self, began: float) -> None:
        self.began = began
        self.owed = 0.0


class SlowStart:
    """Who becomes ready has a share that rises, linearly over so many seconds, from nothing to that of the others.

    Of n backends, one that has a quarter of the time behind it gets a quarter of an nth of the requests, evenly spread:
    each request adds to what everybody is owed, and goes to whom most is owed. `policy` has all the others. O(1) once
    nobody is starting; a step for each that is.
    """

    def __init__(self, policy: Policy, seconds: float, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._seconds = seconds
        self._clock = clock
        self._starting: dict[Backend, _Start] = {}
        self._started = 0
        self._owed = 0.0  # to all who have started

    def add(self, backend: Backend) -> None:
        self._starting[backend] = _Start(self._clock())

    def remove(self, backend: Backend) -> None:
        if self._starting.pop(backend, None) is None:
            self._started -= 1
            self._policy.remove(backend)

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        if not self._starting:
            return self._policy.take(avoid, client)
        parts = dict(self._parts())
        backend = self._whose_turn(parts, avoid) or self._policy.take(avoid, client)
        return backend or next((one for one in parts if one not in avoid), None)

    def give_back(self, backend: Backend) -> None:
        if backend not in self._starting:
            self._policy.give_back(backend)

    # Private

    def _parts(self) -> Iterator[tuple[Backend, float]]:
        """What part of a whole share each of those who are starting has now; who has all of it has started."""
        now = self._clock()
        for backend, start in list(self._starting.items()):
            part = (now - start.began) / self._seconds
            if part < 1:
                yield backend, max(part, _LEAST)
            else:
                self._start(backend)

    def _start(self, backend: Backend) -> None:
        del self._starting[backend]
        self._started += 1
        self._policy.add(backend)

    def _whose_turn(self, parts: dict[Backend, float], avoid: Avoid) -> Backend | None:
        """Who of those that are starting; None for any of the others."""
        for backend, part in parts.items():
            self._starting[backend].owed += part
        claimed = sum(parts.values())
        shares = len(parts) + self._started if self._started else claimed
        self._owed += shares - claimed
        first = max((one for one in parts if one not in avoid), key=lambda one: self._starting[one].owed, default=None)
        if self._started and (first is None or self._starting[first].owed <= self._owed):
            self._owed -= shares
            return None
        if first is not None:
            self._starting[first].owed -= shares
        return first
