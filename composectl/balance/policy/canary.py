"""A policy that holds new backends at a share of the requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid, Policy
from composectl.balance.policy.turns import Turns


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
