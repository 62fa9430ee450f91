"""Carrying out a rollout: all of it, or no more than a canary until it is said how it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence, Set
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace

from composectl import errors
from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.plan import RolloutStep, next_rollout_step
from composectl.compose.client import ComposeClient, ComposeProject
from composectl.compose.override import check_rendered_capacity, differs, render, without_published_ports
from composectl.config.rollout import RolloutConfig
from composectl.control.commands import Progress, Rollout, Verdict
from composectl.daemon.project import RunningProject
from composectl.daemon.rollout_monitor import ReplicaRejected, RolloutMonitor, check_alive, check_ready
from composectl.daemon.scaling import retire
from composectl.daemon.service import BalancedService, PausedCanary

_REMOVAL_TIMEOUT = 30.0
_LOG_LINES = 10


async def roll_out(running: RunningProject, order: Rollout, progress: Progress) -> None:
    """Take new replicas for old ones, a service after the other, or hold a canary. Raises ComposectlError.

    A service stays what it was where that fails: what is added to it later is as the old ones are.
    """
    services = [running.service(name) for name in order.services]
    async with running.scaling:
        running.check_no_canary()
        compose_project = replace(running.compose_project, rendered=running.overrides.apply(order.rendered.encode()))
        for name in () if order.only_changed else order.services:
            check_rendered_capacity(compose_project.rendered, name, running.service(name).desired + order.parallel)
        if order.canary is not None:
            await _hold_canary(running, compose_project, services[0], order, order.canary, progress)
            return
        for balanced in services:
            if not order.only_changed or await _is_changed(running, compose_project, balanced.service):
                with _counted(balanced):
                    await ServiceRollout(running, compose_project, balanced, order, progress).run()
            running.compose_projects[balanced.service] = compose_project
        running.compose_project = compose_project


async def judge(running: RunningProject, verdict: Verdict, progress: Progress) -> None:
    """Go on with the rollout of the canary that is held, or take that back. Raises ComposectlError."""
    balanced = running.service(verdict.service)
    async with running.scaling:
        held = running.canary
        if held is None or held.service != verdict.service:
            raise errors.no_canary(verdict.service)
        service_rollout = ServiceRollout(running, held.compose_project, balanced, held.order, progress, held.old)
        if verdict.goes_on:
            running.canary = None
            balanced.pool.end_canary()
            with _counted(balanced):
                await service_rollout.go_on()
            running.compose_project = running.compose_projects[held.service] = held.compose_project
        else:
            await service_rollout.give_up()
            balanced.rollouts["aborted"] += 1
            running.canary = None
            balanced.pool.end_canary()


class ServiceRollout:
    """The rollout of one service; `old` are the containers that are to go."""

    def __init__(
        self,
        running: RunningProject,
        compose_project: ComposeProject,
        balanced: BalancedService,
        order: Rollout,
        progress: Progress,
        old: frozenset[str] = frozenset(),
    ) -> None:
        self.compose_project = compose_project
        self.old = old
        self._running = running
        self._balanced = balanced
        self._order = order
        self._progress = progress
        self._names: dict[str, str] = {}  # of all containers, by id

    async def run(self) -> None:
        """From the first step to the last. Raises ComposectlError, as all of them do."""
        await self.begin()
        await self._swap_all()

    async def begin(self) -> None:
        """All that are there now are to go."""
        self.old = frozenset(await self._list())
        await self._clear_ended()
        self._progress(f"{self._service}: rolling out {self._balanced.desired}, {self._order.parallel} at a time")

    async def add(self, count: int) -> None:
        """New replicas, ready and found to do well; where they are not they are gone again."""
        before = await self._list()
        async with self._or_taken_back(before):
            await self._start(before, len(before) + count)
            new = await self._list() - before
            if len(new) < count:
                raise errors.not_added(self._service, f"Compose added {len(new)} of {count} new replicas")
            await self._prove(new)

    async def go_on(self) -> None:
        """The new ones that are there already are to do well, too; then all others."""
        new = await self._list() - self.old
        if new:
            async with self._or_taken_back(self.old):
                await self._prove(new)
        await self._swap_all()

    async def give_up(self) -> None:
        """The new ones go again."""
        await self._take_back(await self._list() - self.old)
        self._progress(f"{self._service}: {self._balanced.pool.ready} of {self._balanced.desired} ready")

    @property
    def new_names(self) -> str:
        """The names of the new ones, in a row."""
        return ", ".join(sorted(self._names[one] for one in self._names.keys() - self.old))

    # Private

    @property
    def _service(self) -> str:
        return self._balanced.service

    async def _list(self) -> set[str]:
        found = await self._running.engine.containers(self.compose_project.name, self._service)
        self._names = {key: make.name for key, make in found.items()}
        return set(found)

    async def _clear_ended(self) -> None:
        """Compose would start them again, old as they are."""
        for ended in await self._running.engine.exited(self.compose_project.name, self._service):
            if not ended.restarting:
                await self._running.engine.remove(ended.id)

    async def _swap_all(self) -> None:
        wanted = self._balanced.desired
        while swap := await self._next_swap():
            if swap.add:
                await self.add(swap.add)
            await self._remove(swap.remove, "rolled out", self._progress)
        self._progress(f"{self._service}: {self._balanced.pool.ready} of {wanted} ready")

    async def _next_swap(self) -> RolloutStep | None:
        """No old one goes any more once a new one does not serve."""
        backends = self._balanced.pool.backends
        try:
            await check_alive(self._running, self._service, await self._list() - self.old)
            await check_ready(self._running, self._service, [one for one in backends if one.replica.id not in self.old])
        except ReplicaRejected as rejected:
            raise await self._stopped(rejected, {rejected.id}) from None
        return next_rollout_step(self._balanced.pool.backends, self.old, self._balanced.desired, self._order.parallel)

    @asynccontextmanager
    async def _or_taken_back(self, before: Set[str]) -> AsyncIterator[None]:
        """Where what is entered fails, all that are there and were not before are gone again."""
        try:
            yield
        except ReplicaRejected as rejected:
            raise await self._stopped(rejected, await self._list() - before) from None
        except BaseException:
            await self._take_back(await self._list() - before)
            raise

    async def _stopped(self, rejected: ReplicaRejected, bad: Collection[str]) -> errors.ComposectlError:
        """The error that tells of it, once those that are `bad` are gone."""
        log = await self._running.engine.last_lines(rejected.id, _LOG_LINES)
        await self._take_back(bad)
        return errors.rollout_stopped(self._service, rejected.why, log, self._fresh, self._balanced.desired)

    async def _prove(self, new: Collection[str]) -> None:
        names = {one: self._names[one] for one in new}
        await RolloutMonitor(self._running, self._balanced, self._order, names, self.old, self._progress).run()

    async def _start(self, before: set[str], count: int) -> None:
        try:
            await self.compose_project.converge(self._service, count)
        except errors.ComposectlError as error:
            added = sorted(await self._list() - before)
            if added:
                raise ReplicaRejected(error.message, added[0]) from None
            raise errors.not_added(self._service, error.message) from None
        for id in sorted(await self._list() - before):  # noqa: A001 - Docker's word
            self._progress(f"{self._names[id]} starting")

    async def _take_back(self, new: Collection[str]) -> None:
        """Drain those that were ready, and remove them all."""
        there = [one for one in self._balanced.pool.backends if one.replica.id in new]
        for id in new:  # noqa: A001 - Docker's word
            self._progress(f"{self._names[id]} is taken back")
        await self._remove(there, "taken back")
        for id in set(new) - {one.replica.id for one in there}:  # noqa: A001
            await self._running.engine.stop(id, 0)
            await self._running.engine.remove(id)

    async def _remove(self, backends: Sequence[Backend], why: str, progress: Progress = lambda _: None) -> None:
        await asyncio.gather(*(retire(self._running, self._balanced, one, why, progress) for one in backends))
        with suppress(TimeoutError):
            async with asyncio.timeout(_REMOVAL_TIMEOUT):
                await self._running.journal.wait_until(lambda: all(one.phase is Phase.GONE for one in backends))

    @property
    def _fresh(self) -> int:
        """How many of the new kind serve."""
        backends = self._balanced.pool.backends
        return sum(one.phase is Phase.READY and one.replica.id not in self.old for one in backends)


class Renewing:
    """`client`: the one that the running composectl started with, environment included."""

    def __init__(self, client: ComposeClient, balanced: Collection[str]) -> None:
        self._client = client
        self._balanced = balanced

    async def order(self, service: str) -> Rollout:
        """The rollout of a service. Raises ComposectlError."""
        if service not in self._balanced:
            raise errors.not_balanced(service, self._balanced)
        project = await self._client.load(quiet=True)
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
        config = RolloutConfig()
        rendered = render(without_published_ports(project, self._balanced)).decode()
        return Rollout((service,), rendered, config.parallel, config.monitor, config.ready_timeout)


# Private


@contextmanager
def _counted(balanced: BalancedService) -> Iterator[None]:
    try:
        yield
    except BaseException:
        balanced.rollouts["failed"] += 1
        raise
    balanced.rollouts["done"] += 1


async def _hold_canary(
    running: RunningProject,
    compose_project: ComposeProject,
    balanced: BalancedService,
    order: Rollout,
    share: float,
    progress: Progress,
) -> None:
    service_rollout = ServiceRollout(running, compose_project, balanced, order, progress)
    await service_rollout.begin()
    balanced.pool.begin_canary(service_rollout.old, share)
    try:
        await service_rollout.add(1)
    except BaseException:
        balanced.pool.end_canary()
        balanced.rollouts["failed"] += 1
        raise
    running.canary = PausedCanary(balanced.service, order, compose_project, service_rollout.old)
    progress(
        f"{service_rollout.new_names} is held at {100 * share:g}% of the requests;"
        f" `composectl rollout {balanced.service} --continue` goes on, `--abort` takes it back"
    )


async def _is_changed(running: RunningProject, compose_project: ComposeProject, service: str) -> bool:
    """Whether Compose would make the replicas anew: another definition, or another image under the same name."""
    if differs(service, running.compose_projects[service].rendered, compose_project.rendered):
        return True
    makes = (await running.engine.containers(compose_project.name, service)).values()
    if len({one.config_hash for one in makes}) > 1:
        return True
    now = {name: await running.engine.image_id(name) for name in {one.image for one in makes}}
    return any(now[one.image] not in ("", one.image_id) for one in makes)
