"""How a backend is picked among the ready ones."""

from __future__ import annotations

from collections.abc import Callable

from composectl.balance.policy.capped import Capped
from composectl.balance.policy.least_request import LeastRequest
from composectl.balance.policy.policy import Avoid, Policy
from composectl.balance.policy.random import PowerOfTwoChoices, Random
from composectl.balance.policy.round_robin import RoundRobin
from composectl.balance.policy.source import Source
from composectl.balance.policy.weighted import CanarySplit, SlowStart

__all__ = [
    "POLICIES",
    "Avoid",
    "CanarySplit",
    "Capped",
    "LeastRequest",
    "Policy",
    "PowerOfTwoChoices",
    "Random",
    "RoundRobin",
    "SlowStart",
    "Source",
]
POLICIES: dict[str, Callable[[], Policy]] = {
    "least-request": LeastRequest,
    "round-robin": RoundRobin,
    "random": Random,
    "p2c": PowerOfTwoChoices,
    "source": Source,
}
