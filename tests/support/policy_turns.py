"""Old backends and new ones, one request after the other: which gets how many."""

from __future__ import annotations

from collections import Counter

from composectl.balance.backend import Backend
from composectl.balance.policy import POLICIES, Policy
from tests.support.policy_driver import acquire, backend, release

NAMES = sorted(POLICIES)
TURNS = 1000


class PolicyTurns:
    """The requests go by `policy`."""

    policy: Policy

    def begin(self, number: int) -> Backend:
        """One more, with this number, is ready."""
        added = backend(number)
        self.policy.add(added)
        return added

    def begin_all(self, old: int, new: int) -> list[Backend]:
        """So many more, numbered behind the `old` ones."""
        return [self.begin(old + number) for number in range(1, new + 1)]

    def turns(self, requests: int = TURNS) -> Counter[Backend]:
        """The backends that get so many requests, one after the other."""
        turns: Counter[Backend] = Counter()
        for number in range(requests):
            chosen = acquire(self.policy, client=str(number))
            turns[chosen] += 1
            release(self.policy, chosen)
        return turns
