"""What a policy is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from composectl.balance.backend import Backend

Avoid = Collection[Backend]


class Policy(Protocol):
    """Chooses among the ready backends; `acquire` and `release` enclose every request, so that it can keep an order."""

    def add(self, backend: Backend) -> None:
        """`backend` became ready."""

    def remove(self, backend: Backend) -> None:
        """`backend` is no longer ready."""

    def acquire(self, avoid: Avoid = (), key: str = "") -> Backend | None:
        """Choose a backend outside `avoid` for one more request of the client `key`; None where there is none."""

    def take(self, backend: Backend) -> None:
        """One more request goes to this ready backend, which something else has chosen."""

    def release(self, backend: Backend) -> None:
        """A request of a still ready `backend` has ended."""
