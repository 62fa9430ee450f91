"""A policy whose new backends begin slowly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid, Policy
from composectl.balance.policy.turns import Turns

_LEAST = 0.01  # so that those who have just begun, and nobody else is there, are in turn


class SlowStart:
    """Who becomes ready has a share that rises, linearly over so many seconds, from nothing to that of the others.

    Of n backends, one that has a quarter of the time behind it gets a quarter of an nth of the requests, evenly spread.
    `policy` has all the others. O(1) once nobody is starting; a step for each that is.
    """

    def __init__(self, policy: Policy, seconds: float, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._seconds = seconds
        self._clock = clock
        self._turns = Turns()
        self._starting: dict[Backend, float] = {}  # since when
        self._started = 0

    def add(self, backend: Backend) -> None:
        self._starting[backend] = self._clock()
        self._turns.join(backend)

    def remove(self, backend: Backend) -> None:
        if backend in self._starting:
            self._end_start(backend)
        else:
            self._started -= 1
            self._policy.remove(backend)

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        if not self._starting:
            return self._policy.take(avoid, client)
        parts = dict(self._parts())
        others = len(parts) + self._started - sum(parts.values()) if self._started else 0
        backend = self._turns.next(parts, others, avoid) or self._policy.take(avoid, client)
        return backend or next((one for one in parts if one not in avoid), None)

    def give_back(self, backend: Backend) -> None:
        if backend not in self._starting:
            self._policy.give_back(backend)

    # Private

    def _parts(self) -> Iterator[tuple[Backend, float]]:
        """What part of a whole share each of those who are starting has now; who has all of it has started."""
        now = self._clock()
        for backend, began in list(self._starting.items()):
            part = (now - began) / self._seconds
            if part < 1:
                yield backend, max(part, _LEAST)
            else:
                self._end_start(backend)
                self._started += 1
                self._policy.add(backend)

    def _end_start(self, backend: Backend) -> None:
        del self._starting[backend]
        self._turns.leave(backend)
