"""Any backend."""

from __future__ import annotations

from random import Random

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid


class AtRandom:
    """Each as likely as another. O(1)."""

    def __init__(self, random: Random | None = None) -> None:
        urn = Urn(random or Random())
        self.add = urn.add
        self.remove = urn.remove
        self._draw = urn.draw

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        return self._draw(avoid)

    def give_back(self, backend: Backend) -> None:
        pass


class PowerOfTwo:
    """The two are drawn at random. O(1)."""

    def __init__(self, random: Random | None = None) -> None:
        urn = Urn(random or Random())
        self.add = urn.add
        self.remove = urn.remove
        self._draw = urn.draw

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        one = self._draw(avoid)
        other = one and self._draw((*avoid, one))
        return other if one and other and other.in_flight < one.in_flight else one

    def give_back(self, backend: Backend) -> None:
        pass


class Urn:
    """Who is drawn stays in it. Everything is O(1), for a few to avoid."""

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self._backends: list[Backend] = []
        self._places: dict[Backend, int] = {}

    def add(self, backend: Backend) -> None:
        """Put `backend` in."""
        self._places[backend] = len(self._backends)
        self._backends.append(backend)

    def remove(self, backend: Backend) -> None:
        """Take `backend` out; the last one moves to its place."""
        place, last = self._places.pop(backend), self._backends.pop()
        if last is not backend:
            self._places[last] = place
            self._backends[place] = last

    def draw(self, avoid: Avoid = ()) -> Backend | None:
        """Any backend that is not in `avoid`, each as likely as another; None where there is none."""
        backends = self._backends
        if len(backends) <= len(avoid):
            backends = [one for one in backends if one not in avoid]
        if not backends:
            return None
        while True:
            backend = backends[int(self._random() * len(backends))]
            if backend not in avoid:
                return backend
