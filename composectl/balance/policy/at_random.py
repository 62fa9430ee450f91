"""Any backend."""

from __future__ import annotations

from random import Random

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid
from composectl.balance.policy.urn import Urn


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
