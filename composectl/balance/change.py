"""A change: a backend moved from one phase to another, and why."""

from dataclasses import dataclass

from composectl.balance.phase import Phase


@dataclass(frozen=True, slots=True)
class Change:
    """One move of one backend; `at` in epoch seconds."""

    at: float
    service: str
    number: int
    name: str
    before: Phase
    after: Phase
    why: str
