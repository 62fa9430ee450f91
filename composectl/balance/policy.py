"""How a backend is picked among the ready ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from random import Random
from typing import Protocol

from composectl.balance.backend import Backend

Avoid = Collection[Backend]


class Policy(Protocol):
    """The ready backends in an order of its own.

    `take` and `give_back` are told of every request, so that a policy can keep its order as it goes.
    """

    def add(self, backend: Backend) -> None:
        """`backend` became ready."""

    def remove(self, backend: Backend) -> None:
        """`backend` is ready no more."""

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        """Pick a backend that is not in `avoid` for one more request of this address; None where there is none."""

    def give_back(self, backend: Backend) -> None:
        """A request of a still ready `backend` has ended."""


class LeastRequest:
    """The backend with the fewest requests in flight; ties in turn. O(1).

    Level n holds the backends with n requests in flight. `take` comes before the request is counted there,
    `give_back` after it was taken off.
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

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        if not self._size:
            return None
        levels, lowest = self._levels, self._lowest
        while not levels[lowest]:
            lowest += 1
        self._lowest = lowest
        if avoid:
            return self._take_outside(avoid)
        backend, _ = levels[lowest].popitem(False)
        self._put(backend, lowest + 1)
        return backend

    def give_back(self, backend: Backend) -> None:
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

    def _take_outside(self, avoid: Avoid) -> Backend | None:
        in_order = (backend for level in self._levels[self._lowest :] for backend in level)
        backend = next(_outside(avoid, in_order), None)
        if backend is not None:
            del self._levels[backend.in_flight][backend]
            self._put(backend, backend.in_flight + 1)
        return backend


class RoundRobin:
    """Each backend in turn. O(1)."""

    def __init__(self) -> None:
        self._turns: OrderedDict[Backend, None] = OrderedDict()

    def add(self, backend: Backend) -> None:
        self._turns[backend] = None

    def remove(self, backend: Backend) -> None:
        del self._turns[backend]

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        backend = next(_outside(avoid, iter(self._turns)), None)
        if backend is not None:
            self._turns.move_to_end(backend)
        return backend

    def give_back(self, backend: Backend) -> None:
        pass


class PowerOfTwo:
    """The less busy of two drawn at random. O(1)."""

    def __init__(self, random: Random | None = None) -> None:
        self._random = random or Random()
        self._backends: list[Backend] = []

    def add(self, backend: Backend) -> None:
        self._backends.append(backend)

    def remove(self, backend: Backend) -> None:
        self._backends.remove(backend)

    def take(self, avoid: Avoid = (), client: str = "") -> Backend | None:
        candidates = list(_outside(avoid, iter(self._backends))) if avoid else self._backends
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        one, other = self._random.sample(candidates, 2)
        return one if one.in_flight <= other.in_flight else other

    def give_back(self, backend: Backend) -> None:
        pass


POLICIES: dict[str, Callable[[], Policy]] = {
    "least-request": LeastRequest,
    "round-robin": RoundRobin,
    "p2c": PowerOfTwo,
}


# Private


def _outside(avoid: Avoid, backends: Iterator[Backend]) -> Iterator[Backend]:
    return (backend for backend in backends if backend not in avoid)
