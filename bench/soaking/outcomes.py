"""How everything that the clients began has ended."""

from __future__ import annotations

from collections import Counter


class Outcomes:
    """Counts by client and outcome; `unexplained` are the errors."""

    def __init__(self) -> None:
        self.expected: Counter[tuple[str, str]] = Counter()
        self.unexplained: Counter[tuple[str, str]] = Counter()

    def ended(self, client: str, outcome: str, times: int = 1) -> None:
        """As it should."""
        self.expected[client, outcome] += times

    def failed(self, client: str, reason: str, times: int = 1) -> None:
        """For a reason that a client must not meet."""
        if times:
            self.unexplained[client, reason] += times
