"""A running composectl that has a project in its hands, and balances the replicas of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from composectl import errors
from composectl.changes import ChangeFeed
from composectl.compose.client import ComposeProject
from composectl.compose.override import NO_OVERRIDES, PortOverrides
from composectl.control.api import About
from composectl.control.listener_fds import Estate, Predecessor
from composectl.control.lock import Claim
from composectl.daemon.daemon import Following
from composectl.daemon.service import BalancedService, PausedCanary
from composectl.engine.client import Engine
from composectl.proxy.access_log import AccessLog

# As long as the usual clients keep a connection that is idle
_IDLE_CLIENT_SECONDS = 5.0


class RunningProject(Following):
    """Owns the project as well; `scaling` is held by whoever changes how many replicas there are.

    `compose_project`: the project as it is now; `compose_projects`: the one that each service's replicas are made from.
    `predecessor`: the composectl that serves until this one does. `overrides`: what replicas publish themselves.
    """

    def __init__(
        self,
        compose_project: ComposeProject,
        engine: Engine,
        claim: Claim,
        journal: ChangeFeed,
        balanced: Mapping[str, BalancedService],
        predecessor: Predecessor | None = None,
        overrides: PortOverrides = NO_OVERRIDES,
        log: AccessLog | None = None,
    ) -> None:
        super().__init__(engine, compose_project.name, claim, str(compose_project.directory), journal, balanced, log)
        self.compose_project = compose_project
        self.compose_projects = dict.fromkeys(balanced, compose_project)
        self.predecessor = predecessor
        self.overrides = overrides
        self.scaling = asyncio.Lock()
        self.canary: PausedCanary | None = None

    def check_no_canary(self) -> None:
        """Raise `canary_held` where one is: until it is said what becomes of it, nothing is scaled or rolled out."""
        if self.canary is not None:
            raise errors.canary_held(self.canary.service)

    def about(self) -> About:
        """For other terminals that look for us, and for a successor."""
        return replace(super().about(), published_host=self.engine.addressing.published_host)

    def estate(self) -> Estate:
        """What the next composectl takes over."""
        listening = {name: sockets for one in self.balanced.values() for name, sockets in one.listening.items()}
        return Estate({**listening, **self.views.listening}, self.claim.held)

    async def drain(self) -> None:
        """Accept nothing more, and wait for what is in flight; where we have a successor, clients are let go gently."""
        if not self.claim.is_ours:
            await self.views.shut()
            await asyncio.gather(*(one.part(_IDLE_CLIENT_SECONDS) for one in self.balanced.values()))
        await super().drain()
