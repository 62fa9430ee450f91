"""What a policy is."""

from __future__ import annotations

from collections.abc import Collection
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
