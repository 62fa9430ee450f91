"""Rolls out services: new replicas take the place of old ones, all of them or one canary that pauses the rollout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from composectl import errors
from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.plan import RolloutStep, next_rollout_step
from composectl.control.commands import CanaryDecision, Progress, RolloutRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.rollout_monitor import ReplicaRejected, RolloutMonitor, check_alive, check_ready
from composectl.daemon.scaling import retire
from composectl.daemon.service import BalancedService
from composectl.orchestrator.base import Revision

_REMOVAL_TIMEOUT = 30.0
_LOG_LINES = 10


@dataclass(frozen=True, slots=True)
class PausedCanary:
    """A rollout that is paused at its canary; `old` are the ids of the containers that it replaces."""

    request: RolloutRequest
    revision: Revision
    old: frozenset[str]


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
        for name in () if request.only_changed else request.services:
            orchestrator.check_capacity(name, orchestrator.desired[name] + request.parallel, revision)
        if request.canary is not None:
            rollout = ServiceRollout(daemon, services[0], request, revision, progress)
            await rollout.pause_at_canary(request.canary)
            return
        for service in services:
            if not request.only_changed or await orchestrator.is_outdated(service.name, revision):
                with service.counted_rollout():
                    await ServiceRollout(daemon, service, request, revision, progress).run()
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
        rollout = ServiceRollout(daemon, service, paused.request, paused.revision, progress, paused.old)
        if decision.promote:
            service.end_canary()
            with service.counted_rollout():
                await rollout.promote()
            daemon.orchestrator.set_revision(service.name, paused.revision)
        else:
            await rollout.abort()
            service.end_canary()


class ServiceRollout:
    """The rollout of one service; `old` are the ids of the containers that it replaces."""

    def __init__(
        self,
        daemon: Daemon,
        service: BalancedService,
        request: RolloutRequest,
        revision: Revision,
        progress: Progress,
        old: frozenset[str] = frozenset(),
    ) -> None:
        self._daemon = daemon
        self._orchestrator = daemon.orchestrator
        self._service = service
        self._request = request
        self._revision = revision
        self._progress = progress
        self._old = old
        self._names: dict[str, str] = {}  # of all containers, by id

    async def run(self) -> None:
        """Replace all replicas. Raises ComposectlError, as every step does."""
        await self._begin()
        await self._replace_all()

    async def pause_at_canary(self, share: float) -> None:
        """Add one new replica, which gets this share of the requests, and leave the rest until it is decided on."""
        await self._begin()
        self._service.pool.begin_canary(self._old, share)
        try:
            await self._add(1)
        except BaseException:
            self._service.end_canary()
            self._service.count_rollout("failed")
            raise
        self._service.pause_rollout(PausedCanary(self._request, self._revision, self._old))
        names = ", ".join(sorted(self._names[id] for id in self._names.keys() - self._old))  # noqa: A001 - Docker's word
        self._progress(
            f"{names} is held at {100 * share:g}% of the requests;"
            f" `composectl rollout {self._name} --promote` goes on, `--abort` takes it back"
        )

    async def promote(self) -> None:
        """Monitor the new replicas that are there already, then replace all others."""
        new = await self._list() - self._old
        if new:
            async with self._undone_on_failure(self._old):
                await self._monitor(new)
        await self._replace_all()

    async def abort(self) -> None:
        """Remove the new replicas."""
        await self._undo(await self._list() - self._old)
        self._service.count_rollout("aborted")
        self._report_ready()

    # Private

    @property
    def _name(self) -> str:
        return self._service.name

    @property
    def _desired(self) -> int:
        return self._orchestrator.desired[self._name]

    @property
    def _backends(self) -> Collection[Backend]:
        return self._service.pool.backends

    def _report_ready(self) -> None:
        self._progress(f"{self._name}: {self._service.pool.ready} of {self._desired} ready")

    async def _list(self) -> set[str]:
        self._names = await self._orchestrator.containers(self._name)
        return set(self._names)

    async def _begin(self) -> None:
        """Take all containers for old ones, but remove those that have ended: Compose would start them again."""
        self._old = frozenset(await self._list())
        for exited in await self._orchestrator.exited(self._name):
            if not exited.restarting:
                await self._orchestrator.remove(exited.id)
        self._progress(f"{self._name}: rolling out {self._desired}, {self._request.parallel} at a time")

    async def _add(self, count: int) -> None:
        """Add new replicas and monitor them; remove them again where they are rejected."""
        before = await self._list()
        async with self._undone_on_failure(before):
            await self._start(before, len(before) + count)
            new = await self._list() - before
            if len(new) < count:
                raise errors.not_added(self._name, f"Compose added {len(new)} of {count} new replicas")
            await self._monitor(new)

    async def _start(self, before: set[str], count: int) -> None:
        try:
            await self._orchestrator.scale_to(self._name, count, self._revision)
        except errors.ComposectlError as error:
            added = sorted(await self._list() - before)
            if added:
                raise ReplicaRejected(error.message, added[0]) from None
            raise errors.not_added(self._name, error.message) from None
        for id in sorted(await self._list() - before):  # noqa: A001 - Docker's word
            self._progress(f"{self._names[id]} starting")

    async def _monitor(self, new: Collection[str]) -> None:
        names = {id: self._names[id] for id in new}  # noqa: A001 - Docker's word
        await RolloutMonitor(self._daemon, self._service, self._request, names, self._old, self._progress).run()

    async def _replace_all(self) -> None:
        while step := await self._next_step():
            if step.add:
                await self._add(step.add)
            await self._remove(step.remove, "rolled out", self._progress)
        self._report_ready()

    async def _next_step(self) -> RolloutStep | None:
        """The next step, as long as all new replicas serve: else no old one is removed any more."""
        new = [backend for backend in self._backends if backend.replica.id not in self._old]
        try:
            await check_alive(self._daemon, self._name, await self._list() - self._old)
            await check_ready(self._daemon, self._name, new)
        except ReplicaRejected as rejected:
            raise await self._stopped(rejected, {rejected.id}) from None
        return next_rollout_step(self._backends, self._old, self._desired, self._request.parallel)

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
        log = await self._orchestrator.last_lines(rejected.id, _LOG_LINES)
        await self._undo(bad)
        new = sum(backend.phase is Phase.READY and backend.replica.id not in self._old for backend in self._backends)
        return errors.rollout_stopped(self._name, rejected.reason, log, new, self._desired)

    async def _undo(self, new: Collection[str]) -> None:
        """Drain the new replicas that are in the pool, and remove all."""
        backends = [backend for backend in self._backends if backend.replica.id in new]
        for id in new:  # noqa: A001 - Docker's word
            self._progress(f"{self._names[id]} is taken back")
        await self._remove(backends, "taken back")
        for id in set(new) - {backend.replica.id for backend in backends}:  # noqa: A001
            await self._orchestrator.remove(id, 0)

    async def _remove(self, backends: Sequence[Backend], reason: str, progress: Progress = lambda _: None) -> None:
        retired = (retire(self._daemon, self._service, backend, reason, progress) for backend in backends)
        await asyncio.gather(*retired)
        with suppress(TimeoutError):
            async with asyncio.timeout(_REMOVAL_TIMEOUT):
                await self._daemon.changes.wait_until(lambda: all(one.phase is Phase.GONE for one in backends))
