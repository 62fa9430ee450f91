"""Brings the replicas of a service back where another tool has put its own containers in their place."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NoReturn

from composectl import errors
from composectl.balance.phase import Phase
from composectl.control.commands import Progress
from composectl.daemon.daemon import Daemon
from composectl.daemon.retiring import retire
from composectl.daemon.scaling import remove_unusable
from composectl.daemon.service import BalancedService
from composectl.orchestrator.base import ForeignContainer
from composectl.screen.console import info, warning

_TIMES, _PERIOD = 3, 60.0
_ATTEMPTS = 3
_OTHERS_WAIT = 10.0
# The other tool is still at work where its containers change within this time; what is blocked will never start.
_QUIET, _QUIET_IF_BLOCKED = 5.0, 0.5
_STOP_GRACE_PERIOD = 10.0
_LEAVING = (Phase.DRAINING, Phase.DRAINED)


@dataclass(eq=False)
class Healer:
    """Looks after every listing of the replicas; `clock` gives seconds, `tell` and `warn` print a line.

    `quiet`: the seconds without a change after which the other tool has done its work; `quiet_if_blocked`: where all
    of its containers ask for ports of the proxy.
    """

    daemon: Daemon
    tell: Progress = info
    warn: Progress = warning
    clock: Callable[[], float] = time.monotonic
    quiet: float = _QUIET
    quiet_if_blocked: float = _QUIET_IF_BLOCKED
    _heals: dict[str, deque[float]] = field(init=False, default_factory=dict)
    _warned: set[str] = field(init=False, default_factory=set)

    async def run(self) -> NoReturn:
        """Bring back what is missing, until cancelled."""
        while True:
            await self.daemon.listed.wait()
            self.daemon.listed.clear()
            for service in self.daemon.services.values():
                try:
                    await self._look_after(service)
                except errors.ComposectlError as error:
                    self.warn(f"{service.name}: its replicas could not be brought back: {error.message}")

    # Private

    async def _look_after(self, service: BalancedService) -> None:
        if await self._has_settled(service) and self._may_heal(service):
            async with self.daemon.scaling:
                await self._heal(service)

    async def _has_settled(self, service: BalancedService) -> bool:
        """Whether replicas are missing, and another tool has put containers there and does no more with them."""
        before: dict[str, ForeignContainer] = {}
        while self._is_short(service) and not self.daemon.scaling.locked():
            foreign = await self.daemon.orchestrator.foreign(service.name)
            leaving = any(backend.phase in _LEAVING for backend in service.pool.backends)
            if not foreign or (foreign == before and not leaving):
                return bool(foreign)
            before = foreign
            blocked = all(container.blocked for container in foreign.values())
            await asyncio.sleep(self.quiet_if_blocked if blocked else self.quiet)
        return False

    def _is_short(self, service: BalancedService) -> bool:
        staying = sum(backend.phase not in _LEAVING for backend in service.pool.backends)
        return staying < self.daemon.orchestrator.desired[service.name]

    def _may_heal(self, service: BalancedService) -> bool:
        heals, now = self._heals.setdefault(service.name, deque(maxlen=_TIMES)), self.clock()
        if len(heals) < _TIMES or now - heals[0] >= _PERIOD:
            heals.append(now)
            self._warned.discard(service.name)
            return True
        if service.name not in self._warned:
            self._warned.add(service.name)
            again = math.ceil(_PERIOD - (now - heals[0]))
            self.warn(
                f"{service.name}: another tool has recreated its replicas {_TIMES + 1} times in a minute; composectl"
                f" brings them back in {again} s, and `composectl up -d` does so at once"
            )
        return False

    async def _heal(self, service: BalancedService) -> None:
        desired = self.daemon.orchestrator.desired[service.name]
        self.tell(f"{service.name}: another tool has recreated its replicas; composectl brings its own {desired} back")
        if service.canary is not None:
            service.end_canary()
            service.count_rollout("aborted")
        failed = any(container.failed for container in (await self.daemon.orchestrator.foreign(service.name)).values())
        running = await self._bring_back(service, desired)
        if failed:
            await self._start_others(service, desired)
        if running:
            seconds = await self.daemon.orchestrator.ready_seconds(service.name)
            await self.daemon.changes.wait_until(lambda: _ready(service, running) >= desired, seconds)
            await asyncio.gather(*(self._remove(service, container_id) for container_id in running))

    async def _start_others(self, service: BalancedService, desired: int) -> None:
        """Start what the other tool has made and, having failed, not started: it may need this service."""
        await self.daemon.changes.wait_until(lambda: service.pool.ready >= desired, _OTHERS_WAIT)
        if others := await self.daemon.orchestrator.start_created():
            self.tell(f"started what that tool has left behind: {', '.join(others)}")

    async def _bring_back(self, service: BalancedService, desired: int) -> list[str]:
        """Make what is missing; the containers of the other tool that run. Its last steps may disturb Compose."""
        for attempts_left in reversed(range(_ATTEMPTS)):
            await remove_unusable(self.daemon, service)
            foreign = await self.daemon.orchestrator.foreign(service.name)
            running = [container_id for container_id, container in foreign.items() if container.runs]
            try:
                await self.daemon.orchestrator.scale_to(service.name, desired + len(running))
                break
            except errors.ComposectlError:
                if not attempts_left:
                    raise
                await asyncio.sleep(self.quiet_if_blocked)
        return running

    async def _remove(self, service: BalancedService, container_id: str) -> None:
        """Remove a container that runs; it may have no backend, where it publishes no port for the proxy."""
        backends = [backend for backend in service.pool.backends if backend.replica.id == container_id]
        for backend in backends:
            await retire(self.daemon, service, backend, "another tool has made it", lambda _: None)
        if not backends:
            await self.daemon.orchestrator.remove(container_id, _STOP_GRACE_PERIOD)


# Private


def _ready(service: BalancedService, foreign: Collection[str]) -> int:
    """How many replicas are ready, without the foreign ones."""
    backends = service.pool.backends
    return sum(backend.phase is Phase.READY and backend.replica.id not in foreign for backend in backends)
