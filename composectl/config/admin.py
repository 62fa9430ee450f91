"""The ports for metrics and for the dashboard, as they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from composectl import errors
from composectl.config.values import Address, parse_listener

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """None for a port that was not asked for. `dashboard_control`: the page gives orders, with its token."""

    metrics: Address | None = None
    dashboard: Address | None = None
    dashboard_control: bool = False


def make_admin_config(typed: Mapping[str, Any]) -> AdminConfig:
    """The ports that the options ask for; on 127.0.0.1 unless they name a host. Raises ComposectlError."""
    if typed["dashboard_control"] and typed["dashboard"] is None:
        raise errors.needs_dashboard()
    return AdminConfig(
        parse_admin_address(typed["metrics"], errors.bad_metrics),
        parse_admin_address(typed["dashboard"], errors.bad_dashboard),
        typed["dashboard_control"],
    )


def parse_admin_address(text: str | None, refuse: Callable[[str], errors.ComposectlError]) -> Address | None:
    """`[HOST:]PORT`, on 127.0.0.1 unless it names a host. Raises what `refuse` makes of the text."""
    if text is None:
        return None
    try:
        address = parse_listener(text)
    except errors.ComposectlError:
        raise refuse(text) from None
    return Address(address.host or _LOOPBACK, address.port)
