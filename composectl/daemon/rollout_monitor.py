"""Monitors new replicas: they must be ready in time, stay ready, and fail no more requests than the old ones."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from composectl.balance.backend import Backend
from composectl.balance.canary_analysis import ErrorRate, error_rate, is_significantly_worse
from composectl.balance.phase import Phase
from composectl.control.commands import Progress, RolloutRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.service import BalancedService

_POLL_INTERVAL = 0.2


class ReplicaRejected(Exception):
    """A new replica must not stay: the reason as a sentence, and the id of its container."""

    def __init__(self, reason: str, id: str) -> None:  # noqa: A002 - Docker's word
        super().__init__(reason)
        self.reason = reason
        self.id = id


class RolloutMonitor:
    """Monitors the containers in `new`, names by id, beside those in `old`."""

    def __init__(
        self,
        daemon: Daemon,
        service: BalancedService,
        request: RolloutRequest,
        new: Mapping[str, str],
        old: Collection[str],
        progress: Progress,
    ) -> None:
        self._daemon = daemon
        self._service = service
        self._request = request
        self._new = new
        self._old = old
        self._progress = progress

    async def run(self) -> None:
        """Wait until all are ready, then monitor them for as long as was asked for. Raises ReplicaRejected."""
        await self._wait_until_ready()
        self._progress(f"{self._names} ready, watched for {self._request.monitor_seconds:g} s")
        await self._monitor(self._ready(), self._backends(self._old))

    # Private

    async def _wait_until_ready(self) -> None:
        seconds = self._request.ready_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                while not self._all_ready():
                    await check_alive(self._daemon, self._service.name, self._new)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._daemon.changes.wait_until(self._all_ready), _POLL_INTERVAL)
        except TimeoutError:
            late = min(self._new.keys() - {backend.replica.id for backend in self._ready()})
            raise ReplicaRejected(f"`{self._new[late]}` is not ready after {seconds:g} s", late) from None

    async def _monitor(self, new: Sequence[Backend], old: Sequence[Backend]) -> None:
        before = error_rate(new), error_rate(old)
        now = asyncio.get_running_loop().time
        end = now() + self._request.monitor_seconds
        while True:
            await check_ready(self._daemon, self._service.name, new)
            self._compare(new, error_rate(new).since(before[0]), error_rate(old).since(before[1]))
            if now() >= end:
                return
            await asyncio.sleep(min(end - now(), _POLL_INTERVAL))

    def _compare(self, backends: Sequence[Backend], new: ErrorRate, old: ErrorRate) -> None:
        if is_significantly_worse(new, old):
            worst = max(backends, key=lambda backend: error_rate([backend]).errors)
            failed = f"{new.errors} of {new.requests} requests failed at {self._names}"
            reason = f"{failed}, {old.errors} of {old.requests} at the old replicas"
            raise ReplicaRejected(reason, worst.replica.id)

    def _all_ready(self) -> bool:
        return len(self._ready()) == len(self._new)

    def _ready(self) -> list[Backend]:
        return [backend for backend in self._backends(self._new) if backend.phase is Phase.READY]

    def _backends(self, ids: Collection[str]) -> list[Backend]:
        return [backend for backend in self._service.pool.backends if backend.replica.id in ids]

    @property
    def _names(self) -> str:
        return ", ".join(sorted(self._new.values()))


async def check_ready(daemon: Daemon, service: str, backends: Sequence[Backend]) -> None:
    """Raise ReplicaRejected where one of these backends has not stayed ready."""
    for backend in backends:
        if backend.phase is not Phase.READY:
            await check_alive(daemon, service, {backend.replica.id})
            raise ReplicaRejected(f"`{backend.replica.name}` was ready, and is {backend.phase}", backend.replica.id)


async def check_alive(daemon: Daemon, service: str, new: Collection[str]) -> None:
    """Raise ReplicaRejected where one of these containers has exited."""
    for exited in await daemon.orchestrator.exited(service):
        if exited.id in new and not exited.restarting:
            reason = exited.error or f"ended with exit code {exited.exit_code}"
            raise ReplicaRejected(f"`{exited.name}` {reason}", exited.id)
