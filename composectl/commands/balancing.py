"""How requests are balanced, as it was asked for: the options that `up` and `proxy` have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from composectl import errors
from composectl.balance.policy import POLICIES, Policy, SlowStart
from composectl.commands.limiting import limits, number
from composectl.proxy.limits import Limits
from composectl.proxy.waiting_room import Holding

_DEFAULT_POLICY = "least-request"
# A target in origin-form, as it is sent (RFC 9112, section 3.2.1)
_PATH = re.compile(r"/[!-\"$-~]*")


@dataclass(frozen=True, slots=True)
class Balancing:
    """`policy` is a name of `POLICIES`; `identify`: responses carry `X-Internal-Service`.

    `health`: the path whose answer tells whether a backend is well; "" where its port does.
    `connections`: how many clients may be connected at once; None for as many as can all be answered at once.
    `slow_start`: the seconds over which the share of a new backend rises; None for a whole one from the first.
    """

    policy: str = _DEFAULT_POLICY
    identify: bool = True
    health: str = ""
    limits: Limits = field(default_factory=Limits)
    connections: int | None = None
    holding: Holding = field(default_factory=Holding)
    slow_start: int | None = None

    def make_policy(self, clock: Callable[[], float]) -> Policy:
        """A policy for one pool; `clock` gives seconds."""
        policy = POLICIES[self.policy]()
        return policy if self.slow_start is None else SlowStart(policy, self.slow_start, clock)


def balancing(given: Mapping[str, Any]) -> Balancing:
    """The meaning of the options as the command line gives them. Raises ComposectlError."""
    return Balancing(
        policy=_policy(given["policy"] or _DEFAULT_POLICY),
        identify=not given["no_identity"],
        health=_path(given["health"]),
        limits=limits(given),
        connections=number(given, "max_connections"),
        holding=_holding(given),
        slow_start=_slow_start(given),
    )


# Private


def _policy(name: str) -> str:
    if name not in POLICIES:
        raise errors.unknown_policy(name, POLICIES)
    return name


def _holding(given: Mapping[str, Any]) -> Holding:
    told = {"seconds": number(given, "hold", least=0), "most": number(given, "max_held")}
    return Holding(**{name: value for name, value in told.items() if value is not None})


def _slow_start(given: Mapping[str, Any]) -> int | None:
    seconds = number(given, "slow_start")
    if seconds is not None and given["policy"] == "source":
        raise errors.no_slow_start_by_source()
    return seconds


def _path(health: str | None) -> str:
    if health is not None and not _PATH.fullmatch(health):
        raise errors.bad_health(health)
    return health or ""
