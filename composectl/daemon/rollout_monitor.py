"""Monitors new replicas: they must be ready in time, stay ready, and fail no more requests than the old ones."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.balance.canary_analysis import error_rate, is_significantly_worse
from composectl.balance.phase import Phase
from composectl.control.commands import Progress
from composectl.daemon.daemon import Daemon
from composectl.daemon.readiness import Deadlines
from composectl.daemon.rollout_pace import RolloutPace
from composectl.daemon.service import BalancedService

_POLL_INTERVAL = 0.2


@dataclass(eq=False)
class ReplicaRejected(Exception):
    """A new replica must not stay: the reason as a sentence, and the id of its container."""

    reason: str
    id: str


@dataclass(frozen=True, slots=True)
class RolloutMonitor:
    """Monitors the containers in `new`, names by id, beside those in `old`."""

    daemon: Daemon
    service: BalancedService
    pace: RolloutPace
    new: Mapping[str, str]
    old: Collection[str]
    progress: Progress

    async def run(self) -> None:
        """Wait until all are ready, then monitor them for as long as was asked for. Raises ReplicaRejected."""
        await self._wait_until_ready()
        names = ", ".join(sorted(self.new.values()))
        self.progress(f"{names} ready, monitored for {self.pace.monitor:g} s")
        new = self._ready()
        old = [backend for backend in self.service.pool.backends if backend.replica.id in self.old]
        new_before, old_before = error_rate(new), error_rate(old)
        now = asyncio.get_running_loop().time
        end = now() + self.pace.monitor
        while True:
            await check_ready(self.daemon, self.service.name, new)
            new_rate, old_rate = error_rate(new).since(new_before), error_rate(old).since(old_before)
            if is_significantly_worse(new_rate, old_rate):
                worst = max(new, key=lambda backend: error_rate([backend]).errors)
                failed = f"{new_rate.errors} of {new_rate.requests} requests failed at {names}"
                reason = f"{failed}, {old_rate.errors} of {old_rate.requests} at the old replicas"
                raise ReplicaRejected(reason, worst.replica.id)
            if now() >= end:
                return
            await asyncio.sleep(min(end - now(), _POLL_INTERVAL))

    # Private

    async def _wait_until_ready(self) -> None:
        def all_ready() -> bool:
            return len(self._ready()) == len(self.new)

        deadlines = Deadlines(self.daemon, self.pace.ready_timeout)
        while not await self.daemon.changes.wait_until(all_ready, _POLL_INTERVAL):
            await check_alive(self.daemon, self.service.name, self.new)
            if await deadlines.is_over(self.service.name):
                raise await self._late(deadlines.seconds(self.service.name))

    async def _late(self, seconds: float) -> ReplicaRejected:
        """For the first of those that are not ready after so many seconds."""
        late = min(self.new.keys() - {backend.replica.id for backend in self._ready()})
        await self.daemon.diagnosis.look()
        reason = self.daemon.diagnosis.reason(self.service.name, late)
        late_by = f"`{self.new[late]}` is not ready after {seconds:g} s"
        return ReplicaRejected(f"{late_by}: {reason}" if reason else late_by, late)

    def _ready(self) -> list[Backend]:
        backends = self.service.pool.backends
        return [backend for backend in backends if backend.replica.id in self.new and backend.phase is Phase.READY]


async def check_ready(daemon: Daemon, service: str, backends: Sequence[Backend]) -> None:
    """Raise ReplicaRejected where one of these backends has not stayed ready."""
    for backend in backends:
        if backend.phase is not Phase.READY:
            await check_alive(daemon, service, {backend.replica.id})
            raise ReplicaRejected(f"`{backend.replica.name}` was ready, and is {backend.phase}", backend.replica.id)


async def check_alive(daemon: Daemon, service: str, new: Collection[str]) -> None:
    """Raise ReplicaRejected where one of these containers has exited, or has been removed."""
    for removed in set(new) - (await daemon.orchestrator.containers(service)).keys():
        raise ReplicaRejected(f"container `{removed[:12]}` has been removed by another tool", removed)
    for exited in await daemon.orchestrator.exited(service):
        if exited.id in new and not exited.restarting:
            reason = exited.error or f"ended with exit code {exited.exit_code}"
            raise ReplicaRejected(f"`{exited.name}` {reason}", exited.id)
