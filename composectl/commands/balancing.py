"""How requests are balanced, as it was asked for: the options that `up` and `proxy` have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from composectl import errors
from composectl.balance.policy import POLICIES, Policy, SlowStart
from composectl.commands.limiting import Spelling, as_flag, limits, number
from composectl.proxy.limits import Limits
from composectl.proxy.waiting_room import Holding

_DEFAULT_POLICY = "least-request"
_DRAIN_SECONDS = 30
# A target in origin-form, as it is sent (RFC 9112, section 3.2.1)
_PATH = re.compile(r"/[!-\"$-~]*")


@dataclass(frozen=True, slots=True)
class Balancing:
    """`policy` is a name of `POLICIES`; `identify`: responses carry `X-Internal-Service`.

    `health`: the path whose answer tells whether a backend is well; "" where its port does.
    `request_id`: requests without an `X-Request-ID` get one, and responses carry it.
    `connections`: how many clients may be connected at once; None for as many as can all be answered at once.
    `slow_start`: the seconds over which the share of a new backend rises; None for a whole one from the first.
    `drain`: the seconds that requests in flight get at most when their backend leaves, or we end.
    """

    policy: str = _DEFAULT_POLICY
    identify: bool = True
    request_id: bool = True
    health: str = ""
    limits: Limits = field(default_factory=Limits)
    connections: int | None = None
    holding: Holding = field(default_factory=Holding)
    slow_start: int | None = None
    drain: int = _DRAIN_SECONDS

    def make_policy(self, clock: Callable[[], float]) -> Policy:
        """A policy for one pool; `clock` gives seconds."""
        policy = POLICIES[self.policy]()
        return policy if self.slow_start is None else SlowStart(policy, self.slow_start, clock)


def balancing(given: Mapping[str, Any], spelled: Spelling = as_flag) -> Balancing:
    """The meaning of the options as the command line gives them.

    Raises ComposectlError, in which an option is called as it is `spelled`.
    """
    drain = number(given, "drain", least=0, spelled=spelled)
    return Balancing(
        policy=_policy(given["policy"] or _DEFAULT_POLICY),
        identify=not given["no_identity"],
        request_id=not given["no_request_id"],
        health=_path(given["health"], spelled("health")),
        limits=limits(given, spelled),
        connections=number(given, "max_connections", spelled=spelled),
        holding=_holding(given, spelled),
        slow_start=_slow_start(given, spelled),
        drain=_DRAIN_SECONDS if drain is None else drain,
    )


# Private


def _policy(name: str) -> str:
    if name not in POLICIES:
        raise errors.unknown_policy(name, POLICIES)
    return name


def _holding(given: Mapping[str, Any], spelled: Spelling) -> Holding:
    told = {
        "seconds": number(given, "hold", least=0, spelled=spelled),
        "most": number(given, "max_held", spelled=spelled),
    }
    return Holding(**{name: value for name, value in told.items() if value is not None})


def _slow_start(given: Mapping[str, Any], spelled: Spelling) -> int | None:
    seconds = number(given, "slow_start", spelled=spelled)
    if seconds is not None and given["policy"] == "source":
        raise errors.no_slow_start_by_source(spelled("slow_start"), spelled("policy"))
    return seconds


def _path(health: str | None, option: str) -> str:
    if health is not None and not _PATH.fullmatch(health):
        raise errors.bad_health(option, health)
    return health or ""
