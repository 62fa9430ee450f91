"""A running composectl: its claim, the balanced services, and what it says of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping

from composectl import errors
from composectl.balance.backend import Key, Replica, Transition
from composectl.balance.snapshot import VERSION, LogView, Snapshot, iso
from composectl.changes import ChangeFeed
from composectl.control.api import About
from composectl.control.events import Events, Lately
from composectl.control.lock import Claim
from composectl.control.metrics_server import Scraping
from composectl.daemon.admin import AdminListeners
from composectl.daemon.service import BalancedService
from composectl.engine.client import Engine
from composectl.engine.watch import Watch
from composectl.proxy.access_log import AccessLog
from composectl.screen.console import info


class Running:
    """Owns everything until `close`; `directory` is the project's, empty where there is none.

    `log` hears of each request; None where there is none.
    """

    def __init__(
        self,
        claim: Claim,
        directory: str,
        journal: ChangeFeed,
        balanced: Mapping[str, BalancedService],
        log: AccessLog | None = None,
    ) -> None:
        self.claim = claim
        self.directory = directory
        self.journal = journal
        self.balanced = balanced
        self.log = log
        self.lately = Lately(self.snapshot)
        self.events = Events(self.lately.json, journal.subscribe)
        self.scraping = Scraping(self.snapshot)
        self.views = AdminListeners()
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

    def label(self, change: Transition) -> str:
        """What a line calls the backend of `change`."""
        return change.name

    def service(self, name: str) -> BalancedService:
        """A balanced service. Raises `not_balanced`."""
        if name not in self.balanced:
            raise errors.not_balanced(name, self.balanced)
        return self.balanced[name]

    async def tick(self) -> None:
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


class Following(Running):
    """Owns the engine as well; `project` is the one whose replicas it follows."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        claim: Claim,
        directory: str,
        journal: ChangeFeed,
        balanced: Mapping[str, BalancedService],
        log: AccessLog | None = None,
    ) -> None:
        super().__init__(claim, directory, journal, balanced, log)
        self.engine = engine
        self.project = project

    async def follow(self) -> None:
        """Keep the backends as the engine tells of them, for ever."""
        await Watch(self.engine, self.project, tuple(self.balanced), self).run()

    def label(self, change: Transition) -> str:
        """What a line calls the backend of `change`: short, as its service and number."""
        return f"{change.service}-{change.number}"

    def close(self) -> None:
        """Free the ports, the name and the engine."""
        super().close()
        self.engine.close()

    # The observer's side

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        self.balanced[service].pool.sync(replicas)
        self.journal.wake()

    def replica_stopping(self, service: str, container_id: str, reason: str) -> None:
        self.balanced[service].pool.drain(container_id, reason)

    def replica_gone(self, service: str, key: Key, reason: str) -> None:
        self.balanced[service].pool.remove(key, reason)

    def engine_lost(self, reason: str) -> None:
        self.stale_since = time.time()
        info(reason)

    def engine_back(self) -> None:
        self.stale_since = None
        info("the Docker Engine answers again")
