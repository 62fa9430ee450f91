"""How requests are balanced, as it was asked for: the options that `up` and `proxy` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Balancing:
    """`policy` is a name of `POLICIES`; `identify`: responses carry `X-Internal-Service`."""

    policy: str = "least-request"
    identify: bool = True


def balancing(given: Mapping[str, Any]) -> Balancing:
    """The meaning of the options as the command line gives them."""
    return Balancing(policy=given["policy"] or "least-request", identify=not given["no_identity"])
