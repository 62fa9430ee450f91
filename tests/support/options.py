"""The options of balancing, as the command line gives them."""

from __future__ import annotations

from typing import Any

_UNTYPED = dict.fromkeys(
    (
        *(
            "policy",
            "health_check_path",
            "response_timeout",
            "idle_timeout",
            "slow_start",
            "queue_timeout",
            "queue_size",
            "max_connections",
        ),
        *("max_request_body", "drain_timeout", "metrics"),
    )
)


def given(**typed: Any) -> dict[str, Any]:
    """These, and the others as they are where they were not typed."""
    return (
        _UNTYPED
        | {"no_backend_header": False, "no_request_id": False, "trusted_proxies": (), "allowed_host": ()}
        | typed
    )
