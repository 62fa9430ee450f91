"""How requests are balanced, as it was asked for: the options that `up` and `proxy` have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from composectl import errors

# A target in origin-form, as it is sent (RFC 9112, section 3.2.1)
_PATH = re.compile(r"/[!-\"$-~]*")


@dataclass(frozen=True, slots=True)
class Balancing:
    """`policy` is a name of `POLICIES`; `identify`: responses carry `X-Internal-Service`.

    `health`: the path whose answer tells whether a backend is well; "" where its port does.
    """

    policy: str = "least-request"
    identify: bool = True
    health: str = ""


def balancing(given: Mapping[str, Any]) -> Balancing:
    """The meaning of the options as the command line gives them. Raises `bad_health`."""
    health = given["health"]
    if health is not None and not _PATH.fullmatch(health):
        raise errors.bad_health(health)
    return Balancing(policy=given["policy"] or "least-request", identify=not given["no_identity"], health=health or "")
