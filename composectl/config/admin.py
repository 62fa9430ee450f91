"""`--dashboard`: where the page for browsers is, as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from composectl import errors
from composectl.config.values import Address, parse_listener

_HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class DashboardWish:
    """Where the page is; `control`: who has the token gives orders there."""

    address: Address
    control: bool


def parse_dashboard(given: Mapping[str, Any]) -> DashboardWish | None:
    """The wish behind the options as they are typed; without a host it is 127.0.0.1. Raises ComposectlError."""
    if given["dashboard"] is None:
        if given["dashboard_control"]:
            raise errors.needs_dashboard()
        return None
    try:
        address = parse_listener(given["dashboard"])
    except errors.ComposectlError:
        raise errors.bad_dashboard(given["dashboard"]) from None
    return DashboardWish(Address(address.host or _HERE, address.port), given["dashboard_control"])
