"""New replicas on trial: they are to be ready in time, to stay so, and to do as well as the old ones."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from composectl.balance.backend import Backend
from composectl.balance.canary_analysis import ErrorRate, error_rate, is_significantly_worse
from composectl.balance.phase import Phase
from composectl.control.commands import Progress, Rollout
from composectl.daemon.project import RunningProject
from composectl.daemon.service import BalancedService

_POLL_INTERVAL = 0.2


class ReplicaRejected(Exception):
    """A new replica is not to stay: why, as a sentence, and which container that is about."""

    def __init__(self, why: str, id: str) -> None:  # noqa: A002 - Docker's word
        super().__init__(why)
        self.why = why
        self.id = id


class RolloutMonitor:
    """Of the containers `new`, by id, with their names, beside those of `old`."""

    def __init__(
        self,
        running: RunningProject,
        balanced: BalancedService,
        order: Rollout,
        new: Mapping[str, str],
        old: Collection[str],
        progress: Progress,
    ) -> None:
        self._running = running
        self._balanced = balanced
        self._order = order
        self._new = new
        self._old = old
        self._progress = progress

    async def run(self) -> None:
        """Wait until all are ready, then for the length of the pause. Raises ReplicaRejected."""
        await self._until_ready()
        self._progress(f"{self._names} ready, watched for {self._order.pause_seconds:g} s")
        await self._watch(self._ready(), self._backends(self._old))

    # Private

    async def _until_ready(self) -> None:
        seconds = self._order.ready_seconds
        try:
            async with asyncio.timeout(seconds):
                while not self._are_ready():
                    await check_alive(self._running, self._balanced.service, self._new)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._running.journal.wait_until(self._are_ready), _POLL_INTERVAL)
        except TimeoutError:
            late = min(self._new.keys() - {one.replica.id for one in self._ready()})
            raise ReplicaRejected(f"`{self._new[late]}` is not ready after {seconds:g} s", late) from None

    async def _watch(self, mine: Sequence[Backend], theirs: Sequence[Backend]) -> None:
        before = error_rate(mine), error_rate(theirs)
        now = asyncio.get_running_loop().time
        end = now() + self._order.pause_seconds
        while True:
            await check_ready(self._running, self._balanced.service, mine)
            self._compare(mine, error_rate(mine).since(before[0]), error_rate(theirs).since(before[1]))
            if now() >= end:
                return
            await asyncio.sleep(min(end - now(), _POLL_INTERVAL))

    def _compare(self, mine: Sequence[Backend], new: ErrorRate, old: ErrorRate) -> None:
        if is_significantly_worse(new, old):
            worst = max(mine, key=lambda one: error_rate([one]).errors)
            failed = f"{new.errors} of {new.requests} requests failed at {self._names}"
            raise ReplicaRejected(f"{failed}, {old.errors} of {old.requests} at the old replicas", worst.replica.id)

    def _are_ready(self) -> bool:
        return len(self._ready()) == len(self._new)

    def _ready(self) -> list[Backend]:
        return [one for one in self._backends(self._new) if one.phase is Phase.READY]

    def _backends(self, ids: Collection[str]) -> list[Backend]:
        return [one for one in self._balanced.pool.backends if one.replica.id in ids]

    @property
    def _names(self) -> str:
        return ", ".join(sorted(self._new.values()))


async def check_ready(running: RunningProject, service: str, backends: Sequence[Backend]) -> None:
    """Raise ReplicaRejected where one of these of a service has not stayed ready."""
    for backend in backends:
        if backend.phase is not Phase.READY:
            await check_alive(running, service, {backend.replica.id})
            raise ReplicaRejected(f"`{backend.replica.name}` was ready, and is {backend.phase}", backend.replica.id)


async def check_alive(running: RunningProject, service: str, new: Collection[str]) -> None:
    """Raise ReplicaRejected where one of these containers of a service has ended."""
    for ended in await running.engine.exited(running.compose_project.name, service):
        if ended.id in new and not ended.restarting:
            raise ReplicaRejected(
                f"`{ended.name}` {ended.error or f'ended with exit code {ended.exit_code}'}", ended.id
            )
