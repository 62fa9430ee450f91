"""The options of balancing, as the command line gives them."""

from __future__ import annotations

from typing import Any

_UNTYPED = dict.fromkeys(
    (
        *("policy", "health", "timeout", "stall_timeout", "slow_start", "hold", "max_held", "max_connections"),
        *("max_body", "drain", "metrics"),
    )
)


def given(**typed: Any) -> dict[str, Any]:
    """These, and the others as they are where they were not typed."""
    return _UNTYPED | {"no_identity": False, "no_request_id": False, "trust": (), "allow_host": ()} | typed
