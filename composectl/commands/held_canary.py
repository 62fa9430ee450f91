"""A rollout that goes no further than its first replica until it is said how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from composectl import errors
from composectl.compose.stack import Stack
from composectl.control.orders import Rollout


@dataclass(frozen=True, slots=True)
class HeldCanary:
    """`order`: the rollout of one service that began with it; `stack`: what it is made from; `old`: who is to go."""

    service: str
    order: Rollout
    stack: Stack
    old: frozenset[str]


def check_no_canary(status: Mapping[str, Any]) -> None:
    """Refuse what does not go with a canary, by the `status` of the running composectl. Raises `canary_held`."""
    for service in status["services"]:
        if any(backend.get("canary") for backend in service["backends"]):
            raise errors.canary_held(service["service"])
