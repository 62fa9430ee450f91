"""Turns among those who have shares of their own and all others together, as often as each claims, evenly spread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid, Policy

_LEAST = 0.01  # so that those who have just begun, and nobody else is there, are in turn


class Turns:
    """Each turn adds to what everybody is owed what he claims, and goes to whom most is owed."""

    def __init__(self) -> None:
        self._owed: dict[Backend, float] = {}
        self._owed_to_others = 0.0

    def join(self, backend: Backend) -> None:
        """From now on it has a share of its own."""
        self._owed[backend] = 0.0

    def leave(self, backend: Backend) -> None:
        """It has none any more."""
        del self._owed[backend]

    def next(self, claims: Mapping[Backend, float], others: float, avoid: Avoid) -> Backend | None:
        """Whose turn it is of those who claim so much; None for any of the others, who claim the rest.

        Where `others` is 0 there are none. None, too, where all that claim are in `avoid`.
        """
        for backend, claim in claims.items():
            self._owed[backend] += claim
        self._owed_to_others += others
        whole = sum(claims.values()) + others
        first = max((one for one in claims if one not in avoid), key=self._owed.__getitem__, default=None)
        if others and (first is None or self._owed[first] <= self._owed_to_others):
            self._owed_to_others -= whole
            return None
        if first is not None:
            self._owed[first] -= whole
        return first


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


class Canary:
    """All backends but those of the containers `old` get `share` of the requests, together; `policy` has the others.

    `share` is between 0 and 1. `ready`: the backends that `policy` has until now.
    """

    def __init__(self, policy: Policy, old: Collection[str], share: float, ready: Iterable[Backend]) -> None:
        self.share = share
        self._policy = policy
        self._old = frozenset(old)
        self._turns = Turns()
        self._held: list[Backend] = []
        for backend in filter(self.is_held, ready):
            policy.remove(backend)
            self.add(backend)

    def is_held(self, backend: Backend) -> bool:
        """Whether it is one of those with this share."""
        return backend.replica.id not in self._old

    def end(self) -> Policy:
        """The policy that was there before, with all that are ready."""
        for backend in self._held:
            self._policy.add(backend)
        return self._policy

    def add(self, backend: Backend) -> None:
        if self.is_held(backend):
            self._held.append(backend)
            self._turns.join(backend)
        else:
            self._policy.add(backend)

    def remove(self, backend: Backend) -> None:
        if self.is_held(backend):
            self._held.remove(backend)
            self._turns.leave(backend)
        else:
            self._policy.remove(backend)

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        if not self._held:
            return self._policy.take(avoid, client)
        claims = dict.fromkeys(self._held, self.share / len(self._held))
        backend = self._turns.next(claims, 1 - self.share, avoid) or self._policy.take(avoid, client)
        return backend or next((one for one in self._held if one not in avoid), None)

    def give_back(self, backend: Backend) -> None:
        if not self.is_held(backend):
            self._policy.give_back(backend)
