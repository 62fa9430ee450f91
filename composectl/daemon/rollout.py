"""Rolls out services: new replicas take the place of old ones, all of them or one canary that pauses the rollout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from composectl import errors
from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.plan import RolloutStep, next_fixed_step, next_rollout_step
from composectl.control.commands import CanaryDecision, Progress, RolloutRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.orchestrated_rollout import OrchestratedRollout
from composectl.daemon.retiring import retire
from composectl.daemon.rollout_monitor import ReplicaRejected, check_alive, check_ready
from composectl.daemon.rollout_pace import CONTINUE, PAUSE, ROLLBACK, pace_of
from composectl.daemon.service import BalancedService
from composectl.daemon.service_rollout import LOG_LINES, ServiceRollout
from composectl.daemon.sleep import wake_up
from composectl.orchestrator.base import Revision

_REMOVAL_TIMEOUT = 30.0


async def roll_out(daemon: Daemon, request: RolloutRequest, progress: Progress) -> None:
    """Replace the replicas of one service after the other, or pause at a canary. Raises ComposectlError.

    A service whose rollout fails keeps its old revision: replicas that are added later are like the old ones.
    """
    orchestrator = daemon.orchestrator
    orchestrator.check_managed()
    services = [daemon.service(name) for name in request.services]
    async with daemon.scaling:
        daemon.check_no_canary()
        for service in services:
            await wake_up(daemon, service, "a rollout")
        revision = orchestrator.revision(request.rendered)
        rollouts = [_prepare(daemon, service, request, revision, progress) for service in services]
        for rollout in () if request.only_changed else rollouts:
            rollout.check_capacity()
        if request.canary is not None:
            await rollouts[0].pause_at_canary(request.canary)
            return
        for service, rollout in zip(services, rollouts, strict=True):
            if not request.only_changed or await orchestrator.is_outdated(service.name, revision):
                with service.counted_rollout():
                    await rollout.run()
            orchestrator.set_revision(service.name, revision)


async def decide_canary(daemon: Daemon, decision: CanaryDecision, progress: Progress) -> None:
    """Promote the canary of a service, or abort its rollout. Raises ComposectlError."""
    daemon.orchestrator.check_managed()
    service = daemon.service(decision.service)
    async with daemon.scaling:
        paused = service.canary
        if paused is None:
            raise errors.ComposectlError(
                f"service `{decision.service}` has no canary",
                f"start one: `composectl rollout {decision.service} --canary 10%`",
            )
        rollout = replace(paused, progress=progress)
        if decision.promote:
            service.end_canary()
            with service.counted_rollout():
                await rollout.promote()
            if paused.revision is not None:
                daemon.orchestrator.set_revision(service.name, paused.revision)
        else:
            await rollout.abort()
            service.end_canary()


@dataclass(slots=True)
class ReplicaRollout(ServiceRollout):
    """A rollout that adds and removes containers one by one; `old` are the ids of those that it replaces."""

    _names: Mapping[str, str] = field(init=False, default_factory=dict)  # of all containers, by id

    async def promote(self) -> None:
        new = await self._list() - self.old
        if new:
            async with self._undone_on_failure(self.old):
                await self._monitor(new)
        await self._replace_all()

    # Private

    async def _list(self) -> set[str]:
        self._names = await self.daemon.orchestrator.containers(self.service.name)
        return set(self._names)

    async def _find_old(self) -> frozenset[str]:
        """All containers, but those that have ended are removed: Compose would start them again."""
        old = frozenset(await self._list())
        for exited in await self.daemon.orchestrator.exited(self.service.name):
            if not exited.restarting:
                await self.daemon.orchestrator.remove(exited.id)
        return old

    async def _make_canary(self) -> Collection[str]:
        await self._add(1)
        return [name for container_id, name in self._names.items() if container_id not in self.old]

    async def _undo_canary(self) -> None:
        await self._undo(await self._list() - self.old)

    async def _add(self, count: int) -> None:
        """Add new replicas and monitor them; remove them again where they are rejected."""
        before = await self._list()
        async with self._undone_on_failure(before):
            try:
                await self.daemon.orchestrator.scale_to(self.service.name, len(before) + count, self.revision)
            except errors.ComposectlError as error:
                if added := sorted(await self._list() - before):
                    raise ReplicaRejected(error.message, added[0]) from None
                raise errors.not_added(self.service.name, error.message) from None
            new = await self._list() - before
            for container_id in sorted(new):
                self.progress(f"{self._names[container_id]} starting")
            if len(new) < count:
                raise errors.not_added(
                    self.service.name, f"Compose added {len(new)} of {errors.plural(count, 'new replica')}"
                )
            await self._monitor(new)

    async def _monitor(self, new: Collection[str]) -> None:
        with self._tolerating():
            await self._watch({container_id: self._names[container_id] for container_id in new})

    async def _replace_all(self) -> None:
        try:
            await self._take_steps()
        except errors.ComposectlError:
            try:
                await self._recover()
            except errors.ComposectlError as error:
                self.progress(f"warning: {error.message}")
            raise
        self._report_ready()

    async def _take_steps(self) -> None:
        while step := await self._next_step():
            if self.pace.stop_first:
                await self._remove(step.remove, "rolled out", self.progress)
            if step.add:
                await self._add(step.add)
            if not self.pace.stop_first:
                await self._remove(step.remove, "rolled out", self.progress)
            if self.pace.delay and step.remove and self._has_old:
                self.progress(f"{self.service.name}: the next step follows in {self.pace.delay:g} s")
                await asyncio.sleep(self.pace.delay)

    async def _recover(self) -> None:
        """Make what is missing as it was before; in a rollback, also what has been replaced already."""
        if self.pace.failure_action == ROLLBACK and (new := frozenset(await self._list() - self.old)):
            self.progress(f"{self.service.name}: rolling back {len(new)}")
            pace = replace(self.pace, monitor=0.0, delay=0.0, failure_action=PAUSE)
            await replace(self, pace=pace, revision=None, old=new)._take_steps()
        if self.pace.stop_first and len(await self._list()) < self._desired:
            await self.daemon.orchestrator.scale_to(self.service.name, self._desired)

    @property
    def _has_old(self) -> bool:
        return any(backend.replica.id in self.old for backend in self.service.pool.backends)

    async def _next_step(self) -> RolloutStep | None:
        """The next step, as long as all new replicas serve: else no old one is removed any more."""
        if self.pace.failure_action != CONTINUE:
            await self._check_new()
        plan = next_fixed_step if self.pace.is_fixed else next_rollout_step
        return plan(self.service.pool.backends, self.old, self._desired, self.pace.parallel)

    async def _check_new(self) -> None:
        new = [backend for backend in self.service.pool.backends if backend.replica.id not in self.old]
        try:
            await check_alive(self.daemon, self.service.name, await self._list() - self.old)
            await check_ready(self.daemon, self.service.name, new)
        except ReplicaRejected as rejected:
            raise await self._stopped(rejected, {rejected.id}) from None

    @asynccontextmanager
    async def _undone_on_failure(self, before: Set[str]) -> AsyncIterator[None]:
        """Where what is entered fails, remove all containers that were not there `before`."""
        try:
            yield
        except ReplicaRejected as rejected:
            raise await self._stopped(rejected, await self._list() - before) from None
        except BaseException:
            await self._undo(await self._list() - before)
            raise

    async def _stopped(self, rejected: ReplicaRejected, bad: Collection[str]) -> errors.ComposectlError:
        """Remove the `bad` replicas; the error of the rollout, with the log of the rejected one."""
        log = await self.daemon.orchestrator.last_lines(rejected.id, LOG_LINES)
        await self._undo(bad)
        ready = {backend.replica.id for backend in self._ready}
        return errors.rollout_stopped(self.service.name, rejected.reason, log, len(ready - self.old), self._desired)

    async def _undo(self, new: Collection[str]) -> None:
        """Drain the new replicas that are in the pool, and remove all."""
        backends = [backend for backend in self.service.pool.backends if backend.replica.id in new]
        for container_id in new:
            self.progress(f"{self._names.get(container_id, container_id[:12])} is removed")
        await self._remove(backends, "rolled back")
        for container_id in set(new) - {backend.replica.id for backend in backends}:
            await self.daemon.orchestrator.remove(container_id, 0)

    async def _remove(self, backends: Sequence[Backend], reason: str, progress: Progress = lambda _: None) -> None:
        retired = (retire(self.daemon, self.service, backend, reason, progress) for backend in backends)
        await asyncio.gather(*retired)
        await self.daemon.changes.wait_until(
            lambda: all(backend.phase is Phase.GONE for backend in backends), _REMOVAL_TIMEOUT
        )


# Private


def _prepare(
    daemon: Daemon, service: BalancedService, request: RolloutRequest, revision: Revision, progress: Progress
) -> ServiceRollout:
    orchestrator = daemon.orchestrator
    pace = pace_of(request, orchestrator.update_config(service.name, revision), orchestrator.desired[service.name])
    kind = ReplicaRollout if orchestrator.can_choose_victim else OrchestratedRollout
    return kind(daemon, service, pace, revision, progress)
