"""The less busy of two backends."""

from __future__ import annotations

from random import Random

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid
from composectl.balance.policy.urn import Urn


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
