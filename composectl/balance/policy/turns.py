"""Turns among those who have shares of their own and all others together, as often as each claims, evenly spread."""

from __future__ import annotations

from collections.abc import Mapping

from composectl.balance.backend import Backend
from composectl.balance.policy.policy import Avoid


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
