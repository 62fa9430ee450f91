"""Each backend in turn."""

from __future__ import annotations

from collections import OrderedDict

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid


class RoundRobin:
    """A chosen backend goes to the end; an avoided one keeps its turn. O(1)."""

    def __init__(self) -> None:
        self._turns: OrderedDict[Backend, None] = OrderedDict()

    def add(self, backend: Backend) -> None:
        self._turns[backend] = None

    def remove(self, backend: Backend) -> None:
        del self._turns[backend]

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        for backend in self._turns:
            if backend not in avoid:
                self._turns.move_to_end(backend)
                return backend
        return None

    def take(self, backend: Backend) -> None:
        pass

    def release(self, backend: Backend) -> None:
        pass
