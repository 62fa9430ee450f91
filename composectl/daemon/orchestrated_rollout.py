"""A rollout that the orchestrator carries out, step by step: it chooses which replicas it replaces.

The next step is taken when the replicas of the last one serve here, and fail no more requests than the old ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from composectl import errors
from composectl.daemon.readiness import until_complete, until_gone
from composectl.daemon.rollout_monitor import ReplicaRejected, check_alive, check_ready
from composectl.daemon.service_rollout import LOG_LINES, ServiceRollout
from composectl.orchestrator.base import UpdateStep

_POLL_INTERVAL = 0.2
_STEP_TIMEOUT = 30.0


@dataclass(slots=True)
class OrchestratedRollout(ServiceRollout):
    """`begun`: how many replicas the orchestrator was told to replace."""

    begun: int = 0
    _monitored: set[str] = field(init=False, default_factory=set)  # the new ones that have passed, by id

    async def promote(self) -> None:
        await self._replace_all()

    # Private

    def _step(self, parallel: int) -> UpdateStep:
        return UpdateStep(parallel, self.pace.stop_first)

    async def _new(self) -> dict[str, str]:
        desired = await self.daemon.orchestrator.desired_replicas(self.service.name)
        return {replica_id: name for replica_id, name in desired.items() if replica_id not in self.old}

    async def _find_old(self) -> frozenset[str]:
        return frozenset(await self.daemon.orchestrator.desired_replicas(self.service.name))

    async def _make_canary(self) -> Collection[str]:
        async with self._reverted_on_failure():
            await self._take_step(1)
        return (await self._new()).values()

    async def _undo_canary(self) -> None:
        await self._revert()

    async def _replace_all(self) -> None:
        async with self._reverted_on_failure():
            await self._monitor()
            while not self.begun or await self._has_old():
                await self._take_step(self.pace.parallel)
                if self.pace.delay and await self._has_old():
                    self.progress(f"{self.service.name}: the next step follows in {self.pace.delay:g} s")
                    await asyncio.sleep(self.pace.delay)
        await self._end()

    async def _end(self) -> None:
        await self.daemon.orchestrator.end_update(self.service.name)
        await until_complete(self.daemon, self.service, self.pace.ready_timeout)
        await until_gone(self.daemon, self.service)
        self._report_ready()

    async def _has_old(self) -> bool:
        return not self.old.isdisjoint(await self.daemon.orchestrator.desired_replicas(self.service.name))

    async def _take_step(self, parallel: int) -> None:
        """Replace so many, and monitor the new ones. Raises ReplicaRejected."""
        orchestrator, name, step = self.daemon.orchestrator, self.service.name, self._step(parallel)
        before, self.begun = self.begun, self.begun + parallel
        if before:
            await orchestrator.continue_update(name, step)
        else:
            await orchestrator.begin_update(name, self.revision, step)
        expected = min(self.begun, self._desired)
        if not await self._until(lambda ids: len(ids - self.old) >= expected, _STEP_TIMEOUT):
            raise errors.not_added(name, f"{expected} new replicas were not made within {_STEP_TIMEOUT:g} s")
        await self._monitor()

    async def _monitor(self) -> None:
        """Monitor the new replicas that have not passed yet. Raises ReplicaRejected unless the rollout is to go on."""
        new = await self._new()
        coming = {replica_id: name for replica_id, name in new.items() if replica_id not in self._monitored}
        ready = {backend.replica.id for backend in self._ready}
        for name in sorted(name for replica_id, name in coming.items() if replica_id not in ready):
            self.progress(f"{name} starting")
        with self._tolerating():
            if coming:
                await self._watch(coming)
            await self._check(self._monitored | coming.keys())
        self._monitored |= coming.keys()

    async def _check(self, passed: Set[str]) -> None:
        """Raise ReplicaRejected where one of these that is to run on does not serve any more."""
        await check_alive(self.daemon, self.service.name, passed)
        staying = passed & (await self._new()).keys()
        backends = [backend for backend in self.service.pool.backends if backend.replica.id in staying]
        await check_ready(self.daemon, self.service.name, backends)

    @asynccontextmanager
    async def _reverted_on_failure(self) -> AsyncIterator[None]:
        """Where what is entered fails, have everything as it was before; one that is cancelled does not wait for it."""
        try:
            yield
        except ReplicaRejected as rejected:
            log = await self.daemon.orchestrator.last_lines(rejected.id, LOG_LINES)
            new = await self._new()
            await self._try_to_revert()
            left = new.keys() & await self._new()
            raise errors.rollout_stopped(self.service.name, rejected.reason, log, len(left), self._desired) from None
        except errors.ComposectlError:
            await self._try_to_revert()
            raise
        except BaseException:
            with suppress(errors.ComposectlError):
                if self.begun:
                    await self.daemon.orchestrator.revert_update(self.service.name, self._step(self.pace.parallel))
            raise

    async def _try_to_revert(self) -> None:
        try:
            if self.begun:
                await self._revert()
        except errors.ComposectlError as error:
            self.progress(f"warning: {error.message}")

    async def _revert(self) -> None:
        """Have all that was replaced replaced back; those that have not passed get no request while others serve."""
        orchestrator, name = self.daemon.orchestrator, self.service.name
        replaced = await self._new()
        if replaced:
            self.progress(f"{name}: rolling back {len(replaced)}")
        bad = replaced.keys() - self._monitored
        if any(backend.replica.id not in bad for backend in self._ready):
            for replica_id in bad:
                self.service.pool.drain(replica_id, "rolled back")
        await orchestrator.revert_update(name, self._step(self.pace.parallel))
        seconds = _STEP_TIMEOUT * max(1, len(replaced))
        await self._until(lambda ids: ids.isdisjoint(replaced) and len(ids) >= self._desired, seconds)
        await orchestrator.end_update(name)
        await until_complete(self.daemon, self.service, self.pace.ready_timeout)
        await until_gone(self.daemon, self.service)

    async def _until(self, holds: Callable[[Set[str]], bool], seconds: float) -> bool:
        """Whether this holds of the replicas that are to run, by id, before so many seconds are over."""
        now = asyncio.get_running_loop().time
        end = now() + seconds
        while not holds((await self.daemon.orchestrator.desired_replicas(self.service.name)).keys()):
            if now() >= end:
                return False
            await asyncio.sleep(_POLL_INTERVAL)
        return True
