"""A running composectl whose backends are the replicas of a project."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from composectl import errors
from composectl.balance.change import Change
from composectl.balance.replica import Key, Replica
from composectl.commands.balanced import Balanced
from composectl.commands.held_canary import HeldCanary
from composectl.commands.running import Running
from composectl.compose.rendered import UNCHANGED, Fit
from composectl.compose.stack import Stack
from composectl.control.about import About
from composectl.control.claim import Claim
from composectl.control.handover import Estate, Predecessor
from composectl.engine.client import Engine
from composectl.journal import Journal

# As long as the usual clients keep a connection that is idle
_PART_SECONDS = 5.0


class RunningProject(Running):
    """Owns the project and the engine as well; `scaling` is held by whoever changes how many replicas there are.

    `stack`: the project as it is now; `stacks`: as the replicas of each service are made from it. `predecessor`: the
    composectl that serves until we do, if there is one. `fit`: what replicas publish themselves.
    """

    def __init__(
        self,
        stack: Stack,
        engine: Engine,
        claim: Claim,
        journal: Journal,
        balanced: Mapping[str, Balanced],
        predecessor: Predecessor | None = None,
        fit: Fit = UNCHANGED,
    ) -> None:
        super().__init__(claim, str(stack.directory), journal, balanced)
        self.stack = stack
        self.stacks = dict.fromkeys(balanced, stack)
        self.engine = engine
        self.predecessor = predecessor
        self.fit = fit
        self.scaling = asyncio.Lock()
        self.canary: HeldCanary | None = None

    def check_no_canary(self) -> None:
        """Raise `canary_held` where one is: until it is said what becomes of it, nothing is scaled or rolled out."""
        if self.canary is not None:
            raise errors.canary_held(self.canary.service)

    def about(self) -> About:
        """For other terminals that look for us, and for a successor."""
        return replace(super().about(), published_at=self.engine.reach.published_at)

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

    def lost(self) -> None:
        """The engine cannot be followed any more."""
        self.stale_since = time.time()

    def back(self) -> None:
        """The engine tells again who runs."""
        self.stale_since = None

    def estate(self) -> Estate:
        """What the next composectl takes over."""
        listening = {name: sockets for one in self.balanced.values() for name, sockets in one.listening.items()}
        scraped = self.metrics.listening if self.metrics else {}
        shown = self.dashboard.listening if self.dashboard else {}
        return Estate(listening | scraped | shown, self.claim.held)

    async def drain(self) -> None:
        """Accept nothing more, and wait for what is in flight; where we have a successor, clients are let go gently."""
        if not self.claim.is_ours:
            if self.metrics:
                await self.metrics.shut()
            if self.dashboard:
                await self.dashboard.shut()
            await asyncio.gather(*(one.part(_PART_SECONDS) for one in self.balanced.values()))
        await super().drain()

    def close(self) -> None:
        """Free the ports, the project and the engine."""
        super().close()
        self.engine.close()
