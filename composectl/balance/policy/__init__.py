"""How a backend is picked among the ready ones."""

from collections.abc import Callable

from composectl.balance.policy.at_random import AtRandom
from composectl.balance.policy.canary import Canary
from composectl.balance.policy.least_request import LeastRequest
from composectl.balance.policy.policy import Avoid, Policy
from composectl.balance.policy.power_of_two import PowerOfTwo
from composectl.balance.policy.round_robin import RoundRobin
from composectl.balance.policy.slow_start import SlowStart
from composectl.balance.policy.source import Source

__all__ = [
    "POLICIES",
    "AtRandom",
    "Avoid",
    "Canary",
    "LeastRequest",
    "Policy",
    "PowerOfTwo",
    "RoundRobin",
    "SlowStart",
    "Source",
]

POLICIES: dict[str, Callable[[], Policy]] = {
    "least-request": LeastRequest,
    "round-robin": RoundRobin,
    "random": AtRandom,
    "p2c": PowerOfTwo,
    "source": Source,
}
