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
from composectl.daemon.rollout_monitor import ReplicaRejected, RolloutMonitor, check_alive, check_ready
from composectl.daemon.rollout_pace import CONTINUE, PAUSE, ROLLBACK, RolloutPace, pace_of
from composectl.daemon.scaling import retire
from composectl.daemon.service import BalancedService
from composectl.orchestrator.base import Revision

_REMOVAL_TIMEOUT = 30.0
_LOG_LINES = 10


async def roll_out(daemon: Daemon, request: RolloutRequest, progress: Progress) -> None:
    """Replace the replicas of one service after the other, or pause at a canary. Raises ComposectlError.

    A service whose rollout fails keeps its old revision: replicas that are added later are like the old ones.
    """
    orchestrator = daemon.orchestrator
    orchestrator.check_managed()
    services = [daemon.service(name) for name in request.services]
    async with daemon.scaling:
        daemon.check_no_canary()
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
class ServiceRollout:
    """The rollout of one service to a revision, None for that of its replicas before.

    `old` are the ids of the containers that it replaces.
    """

    daemon: Daemon
    service: BalancedService
    pace: RolloutPace
    revision: Revision | None
    progress: Progress
    old: frozenset[str] = frozenset()
    _names: Mapping[str, str] = field(init=False, default_factory=dict)  # of all containers, by id

    def check_capacity(self) -> None:
        """Raise where the replicas that are to be there side by side cannot be."""
        more = 0 if self.pace.stop_first else self.pace.parallel
        self.daemon.orchestrator.check_capacity(self.service.name, self._desired + more, self.revision)

    async def run(self) -> None:
        """Replace all replicas. Raises ComposectlError, as every step does."""
        await self._begin()
        await self._replace_all()

    async def pause_at_canary(self, share: float) -> None:
        """Add one new replica, which gets this share of the requests, and leave the rest until it is decided on."""
        await self._begin()
        self.service.pool.leases.begin_canary(self.old, share)
        try:
            await self._add(1)
        except BaseException:
            self.service.end_canary()
            self.service.count_rollout("failed")
            raise
        self.service.pause_rollout(self)
        names = ", ".join(sorted(name for container_id, name in self._names.items() if container_id not in self.old))
        self.progress(
            f"{names} is paused at {100 * share:g}% of the requests;"
            f" run `composectl rollout {self.service.name} --promote` or `--abort`"
        )

    async def promote(self) -> None:
        """Monitor the new replicas that are there already, then replace all others."""
        new = await self._list() - self.old
        if new:
            async with self._undone_on_failure(self.old):
                await self._monitor(new)
        await self._replace_all()

    async def abort(self) -> None:
        await self._undo(await self._list() - self.old)
        self.service.count_rollout("aborted")
        self._report_ready()

    # Private

    @property
    def _desired(self) -> int:
        return self.daemon.orchestrator.desired[self.service.name]

    def _report_ready(self) -> None:
        self.progress(f"{self.service.name}: {self.service.pool.ready} of {self._desired} ready")

    async def _list(self) -> set[str]:
        self._names = await self.daemon.orchestrator.containers(self.service.name)
        return set(self._names)

    async def _begin(self) -> None:
        """Take all containers for old ones, but remove those that have ended: Compose would start them again."""
        self.old = frozenset(await self._list())
        for exited in await self.daemon.orchestrator.exited(self.service.name):
            if not exited.restarting:
                await self.daemon.orchestrator.remove(exited.id)
        order = ", old ones leave first" if self.pace.stop_first else ""
        self.progress(f"{self.service.name}: rolling out {self._desired}, {self.pace.parallel} at a time{order}")

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
        names = {container_id: self._names[container_id] for container_id in new}
        try:
            await RolloutMonitor(self.daemon, self.service, self.pace, names, self.old, self.progress).run()
        except ReplicaRejected as rejected:
            if self.pace.failure_action != CONTINUE:
                raise
            self.progress(f"warning: {rejected.reason}; the rollout continues")

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
        log = await self.daemon.orchestrator.last_lines(rejected.id, _LOG_LINES)
        await self._undo(bad)
        ready = {backend.replica.id for backend in self.service.pool.backends if backend.phase is Phase.READY}
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
) -> ServiceRollout | OrchestratedRollout:
    orchestrator = daemon.orchestrator
    pace = pace_of(request, orchestrator.update_config(service.name, revision), orchestrator.desired[service.name])
    kind = ServiceRollout if orchestrator.can_choose_victim else OrchestratedRollout
    return kind(daemon, service, pace, revision, progress)
