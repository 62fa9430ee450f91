"""A running composectl: its claim, the balanced services, and what it says of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from composectl import errors
from composectl.balance.change import Change
from composectl.balance.snapshot import VERSION, LogView, Snapshot, iso
from composectl.commands.balanced import Balanced
from composectl.commands.views import Views
from composectl.control.about import About
from composectl.control.claim import Claim
from composectl.control.events import Events
from composectl.control.lately import Lately
from composectl.control.scraping import Scraping
from composectl.journal import Journal
from composectl.proxy.access_log import AccessLog


class Running:
    """Owns everything until `close`; `directory` is the project's, empty where there is none.

    `log` hears of each request; None where there is none.
    """

    def __init__(
        self,
        claim: Claim,
        directory: str,
        journal: Journal,
        balanced: Mapping[str, Balanced],
        log: AccessLog | None = None,
    ) -> None:
        self.claim = claim
        self.directory = directory
        self.journal = journal
        self.balanced = balanced
        self.log = log
        self.lately = Lately(self.snapshot)
        self.events = Events(self.lately.json, journal.read_by)
        self.scraping = Scraping(self.snapshot)
        self.views = Views()
        self.stale_since: float | None = None  # epoch seconds

    def about(self) -> About:
        """For other terminals that look for us."""
        listeners = tuple(listener for one in self.balanced.values() for listener in one.listeners)
        metrics = self.views.metrics.url if self.views.metrics else ""
        dashboard = self.views.dashboard.url if self.views.dashboard else ""
        return About(self.claim.project, os.getpid(), self.directory, listeners, metrics=metrics, dashboard=dashboard)

    def snapshot(self) -> Snapshot:
        """The picture of everything, now."""
        services = tuple(one.view() for one in self.balanced.values())
        stale_since = None if self.stale_since is None else iso(self.stale_since)
        log = None if self.log is None else LogView(self.log.written, self.log.dropped)
        return Snapshot(VERSION, self.claim.project, services, stale_since, os.getpid(), log)

    def who(self, change: Change) -> str:
        """What a line calls the backend of `change`."""
        return change.name

    def service(self, name: str) -> Balanced:
        """A balanced service. Raises `not_balanced`."""
        if name not in self.balanced:
            raise errors.not_balanced(name, self.balanced)
        return self.balanced[name]

    async def sweep(self) -> None:
        """To be called once a second."""
        for one in self.balanced.values():
            one.sweep()
        await self.views.sample(one.pool for one in self.balanced.values())

    async def drain(self) -> None:
        """Accept nothing more, and wait for what is in flight."""
        await asyncio.gather(*(one.drain() for one in self.balanced.values()))

    def reopen_log(self) -> None:
        """Its file may have been renamed."""
        if self.log is not None:
            self.log.reopen()

    async def cut(self) -> None:
        """End whatever is still in flight now."""
        await asyncio.gather(*(one.cut() for one in self.balanced.values()))

    def close(self) -> None:
        """Free the ports and the name; the log is written to its end."""
        for one in self.balanced.values():
            one.close()
        if self.log is not None:
            self.log.close()
        self.views.close()
        self.claim.release()
