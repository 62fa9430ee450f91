"""A running composectl whose backends are replicas that the engine tells of."""

from __future__ import annotations

import time
from collections.abc import Mapping

from composectl.balance.change import Change
from composectl.balance.replica import Key, Replica
from composectl.commands.balanced import Balanced
from composectl.commands.running import Running
from composectl.commands.telling import say
from composectl.control.claim import Claim
from composectl.engine.client import Engine
from composectl.engine.watch import Watch
from composectl.journal import Journal
from composectl.proxy.access_log import AccessLog


class Following(Running):
    """Owns the engine as well; `project` is the one whose replicas it follows."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        claim: Claim,
        directory: str,
        journal: Journal,
        balanced: Mapping[str, Balanced],
        log: AccessLog | None = None,
    ) -> None:
        super().__init__(claim, directory, journal, balanced, log)
        self.engine = engine
        self.project = project

    async def follow(self) -> None:
        """Keep the backends as the engine tells of them, for ever."""
        await Watch(
            self.engine,
            self.project,
            tuple(self.balanced),
            observe=self.observe,
            leave=self.leave,
            vanish=self.vanish,
            lost=self.lost,
            back=self.back,
        ).run()

    def who(self, change: Change) -> str:
        """What a line calls the backend of `change`: short, as its service and number."""
        return f"{change.service}-{change.number}"

    def observe(self, service: str, replicas: list[Replica]) -> None:
        """The engine has listed the running replicas of a service."""
        self.balanced[service].pool.observe(replicas)
        self.journal.nudge()

    def leave(self, id: str, why: str) -> None:  # noqa: A002 - Docker's word
        """A container is on its way out."""
        for one in self.balanced.values():
            one.pool.leave(id, why)

    def vanish(self, key: Key, why: str) -> None:
        """The address of a replica is its own no more."""
        for one in self.balanced.values():
            one.pool.vanish(key, why)

    def lost(self, why: str) -> None:
        """The engine cannot be followed any more."""
        self.stale_since = time.time()
        say(why)

    def back(self) -> None:
        """The engine tells again who runs."""
        self.stale_since = None
        say("the Docker Engine answers again")

    def close(self) -> None:
        """Free the ports, the name and the engine."""
        super().close()
        self.engine.close()
