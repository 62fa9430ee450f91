"""A running composectl: the project, the engine, the balanced services, and what it says of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from composectl import errors
from composectl.balance.replica import Replica
from composectl.balance.snapshot import VERSION, Snapshot
from composectl.commands.balanced import Balanced
from composectl.compose.stack import Stack
from composectl.control.about import About
from composectl.control.claim import Claim
from composectl.engine.client import Engine
from composectl.journal import Journal


class Running:
    """Owns everything until `close`; `scaling` is held by whoever changes how many replicas there are."""

    def __init__(
        self, stack: Stack, engine: Engine, claim: Claim, journal: Journal, balanced: Mapping[str, Balanced]
    ) -> None:
        self.stack = stack
        self.engine = engine
        self.claim = claim
        self.journal = journal
        self.balanced = balanced
        self.scaling = asyncio.Lock()

    def about(self) -> About:
        """For other terminals that look for us."""
        listeners = tuple(listener for one in self.balanced.values() for listener in one.listeners)
        return About(self.stack.project, os.getpid(), str(self.stack.directory), listeners)

    def snapshot(self) -> Snapshot:
        """The picture of everything, now."""
        return Snapshot(VERSION, self.stack.project, tuple(one.view() for one in self.balanced.values()))

    def observe(self, service: str, replicas: list[Replica]) -> None:
        """The engine has listed the running replicas of a service."""
        self.balanced[service].pool.observe(replicas)
        self.journal.nudge()

    def leave(self, id: str, why: str) -> None:  # noqa: A002 - Docker's word
        """A container is on its way out."""
        for one in self.balanced.values():
            one.pool.leave(id, why)

    def service(self, name: str) -> Balanced:
        """A balanced service. Raises `not_balanced`."""
        if name not in self.balanced:
            raise errors.not_balanced(name, self.balanced)
        return self.balanced[name]

    async def drain(self) -> None:
        """Accept nothing more, and wait for what is in flight."""
        await asyncio.gather(*(one.drain() for one in self.balanced.values()))

    def close(self) -> None:
        """Free the ports, the project and the engine."""
        for one in self.balanced.values():
            one.close()
        self.claim.release()
        self.engine.close()
