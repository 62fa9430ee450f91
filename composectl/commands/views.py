"""Where else than on a terminal a running composectl is seen: by Prometheus, and by browsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from composectl.balance.pool import Pool
from composectl.commands.addresses import Address
from composectl.commands.dashboard import Dashboard
from composectl.commands.dashboard_wish import DashboardWish, parse_dashboard
from composectl.commands.metrics import Metrics, parse_metrics
from composectl.commands.view import Listening, View
from composectl.control.api import Handlers
from composectl.control.dashboard.server import Renew


@dataclass(frozen=True, slots=True)
class ViewsWish:
    """None for those that nobody asked for."""

    metrics: Address | None = None
    dashboard: DashboardWish | None = None


NO_VIEWS = ViewsWish()


def views_wish(given: Mapping[str, Any]) -> ViewsWish:
    """What the options of the command line ask for. Raises ComposectlError."""
    return ViewsWish(parse_metrics(given["metrics"]), parse_dashboard(given))


def bind_views(wish: ViewsWish, folder: Path, inherited: Listening | None = None) -> Views:
    """Those that were asked for, at ports that are ours, or at the `inherited`; none where one cannot be had.

    Raises ComposectlError.
    """
    views = Views()
    try:
        if wish.metrics:
            views.metrics = Metrics(wish.metrics, folder, inherited or {})
        if wish.dashboard:
            views.dashboard = Dashboard(wish.dashboard, folder, inherited or {})
    except BaseException:
        views.close()
        raise
    return views


class Views:
    """Those that there are; they hold their ports until `close`."""

    def __init__(self) -> None:
        self.metrics: Metrics | None = None
        self.dashboard: Dashboard | None = None

    @property
    def listening(self) -> Listening:
        """The listening sockets, by names that no service has."""
        return {name: sockets for view in self._every for name, sockets in view.listening.items()}

    async def open(self, handlers: Handlers, renew: Renew) -> None:
        """Answer whoever looks, and say where; `renew` rolls out for browsers."""
        if self.metrics:
            await self.metrics.open(handlers.scraping)
        if self.dashboard:
            await self.dashboard.open(handlers, renew)

    async def sample(self, pools: Iterable[Pool]) -> None:
        """To be called once a second."""
        if self.dashboard:
            await self.dashboard.sample(pools)

    async def shut(self) -> None:
        """Answer no more."""
        for view in self._every:
            await view.shut()

    def close(self) -> None:
        """Free the ports."""
        for view in self._every:
            view.close()

    # Private

    @property
    def _every(self) -> list[View]:
        return [view for view in (self.metrics, self.dashboard) if view]
