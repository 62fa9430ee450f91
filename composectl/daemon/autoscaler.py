"""Scales the services that have a range: measures their load, and has the orchestrator carry out what that asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, NoReturn

from composectl import errors
from composectl.balance.autoscale import Decision, Sample
from composectl.balance.phase import Phase
from composectl.balance.plan import plan_scale
from composectl.balance.replica_range import ReplicaRange
from composectl.daemon.daemon import Daemon
from composectl.daemon.resources import Resources
from composectl.daemon.retiring import drain_backend, remove_drained
from composectl.daemon.scaling import remove_unusable
from composectl.daemon.service import BalancedService
from composectl.daemon.sleep import fall_asleep, mark_awake, wake_up, was_woken
from composectl.screen.console import info, warning

_SAMPLE_INTERVALS = (0.05, 0.15)  # uneven, so that what comes at even ones is not missed
_DECISION_INTERVAL = 1.0
_PAUSE_AFTER_FAILURE = 10.0
_READ_INTERVAL = 5.0  # between two looks at what replicas use
_LEAVING = (Phase.DRAINING, Phase.DRAINED)


class Autoscaling:
    """Of all services of a daemon; a range may come and go at any time. `clock` gives seconds."""

    def __init__(self, daemon: Daemon, clock: Callable[[], float] = time.monotonic) -> None:
        self._daemon = daemon
        self._clock = clock
        self._scalers: dict[str, ServiceAutoscaler] = {}

    async def run(self) -> NoReturn:
        """Until cancelled."""
        random, services = Random(), self._daemon.services.values()
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._daemon.changes.wait_until(lambda: any(map(_is_awake, services)))
                await asyncio.sleep(random.uniform(*_SAMPLE_INTERVALS))
                for service in services:
                    self._step(service, tasks)

    # Private

    def _step(self, service: BalancedService, tasks: asyncio.TaskGroup) -> None:
        if service.range is None:
            self._scalers.pop(service.name, None)
            return
        if service.name not in self._scalers:
            self._scalers[service.name] = ServiceAutoscaler(self._daemon, service, service.range, tasks, self._clock)
        self._scalers[service.name].step(service.range)


class ServiceAutoscaler:
    """Of one service; what takes time is done in `tasks`."""

    def __init__(
        self,
        daemon: Daemon,
        service: BalancedService,
        bounds: ReplicaRange,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
    ) -> None:
        self._daemon = daemon
        self._service = service
        self._tasks = tasks
        self._clock = clock
        self._autoscaler = service.make_autoscaler(bounds)
        self._resources = Resources(daemon, service)
        self._decide_at = self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._changing: asyncio.Task[None] | None = None  # what may not be done twice at once

    def step(self, bounds: ReplicaRange) -> None:
        """Take a sample, and decide once a second."""
        now = self._clock()
        if self._service.asleep:
            self._wake_if_asked()
            return
        load = self._service.integrate(now)
        if now < self._decide_at:
            return
        self._decide_at = now + _DECISION_INTERVAL
        self._autoscaler.bounds = bounds
        self._read_resources(now)
        leases, cpu = self._service.pool.leases, self._resources.cpu
        self._autoscaler.observe(Sample(now, load, cpu, leases.requests))
        decision = self._autoscaler.decide(self._service.pool.ready, self._desired, self._resources.capacity)
        if decision.desired == self._desired or self._changing is not None or not self._is_free:
            return
        if not decision.desired:
            self._start(self._sleep(decision))
        elif decision.desired > self._desired:
            self._start(self._grow(decision))
        else:
            self._note(decision)
            self._tasks.create_task(self._unless_it_fails(self._shrink(decision.desired)))

    # Private

    @property
    def _desired(self) -> int:
        return self._daemon.orchestrator.desired[self._service.name]

    @property
    def _is_free(self) -> bool:
        """Whether nothing else makes or removes replicas, and no rollout is paused."""
        return not self._daemon.scaling.locked() and self._service.canary is None

    def _read_resources(self, now: float) -> None:
        if self._resources.is_asked_for and self._reading is None and now >= self._read_at:
            self._read_at = now + _READ_INTERVAL
            self._reading = self._tasks.create_task(self._unless_it_fails(self._resources.read()))

    def _note(self, decision: Decision) -> None:
        name, before = self._service.name, self._desired
        self._daemon.orchestrator.desired[name] = decision.desired
        self._service.rescaled(before, decision.desired, decision.reason)
        info(f"{name}: from {before} to {errors.plural(decision.desired, 'replica')}: {decision.reason}")

    async def _unless_it_fails(self, work: Awaitable[None]) -> None:
        try:
            await work
        except errors.ComposectlError as error:
            warning(f"{self._service.name}: it could not be scaled: {error.message}")
            self._decide_at = self._clock() + _PAUSE_AFTER_FAILURE
        finally:
            if self._changing is asyncio.current_task():
                self._changing = None
            elif self._reading is asyncio.current_task():
                self._reading = None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._changing = self._tasks.create_task(self._unless_it_fails(work))

    def _wake_if_asked(self) -> None:
        if was_woken(self._service):
            mark_awake(self._daemon, self._service, "something else has started a replica")
            self._autoscaler.restart()
        elif self._service.load and self._changing is None and self._clock() >= self._decide_at:
            self._start(self._wake())

    async def _wake(self) -> None:
        async with self._daemon.scaling:
            await wake_up(self._daemon, self._service, "a request came")
        info(f"{self._service.name}: awake")
        self._autoscaler.restart()

    async def _sleep(self, decision: Decision) -> None:
        async with self._daemon.scaling:
            if self._service.canary is None and self._service.range is not None:
                await fall_asleep(self._daemon, self._service, decision.reason)
        if self._service.asleep:
            info(f"{self._service.name}: asleep: {decision.reason}")

    async def _grow(self, decision: Decision) -> None:
        """Make replicas, and wait for none of them to be ready."""
        orchestrator, name = self._daemon.orchestrator, self._service.name
        async with self._daemon.scaling:
            if self._service.canary is not None or self._service.range is None:
                return
            before = self._desired
            self._note(decision)
            self._resources.grown(decision.desired - before)
            try:
                if orchestrator.can_choose_victim:
                    await remove_unusable(self._daemon, self._service)
                await orchestrator.scale_to(name, decision.desired + await self._leaving())
            except errors.ComposectlError:
                orchestrator.desired[name] = before
                raise

    async def _leaving(self) -> int:
        """How many containers drain, and are there until they are removed."""
        if not self._daemon.orchestrator.can_choose_victim:
            return 0
        containers = await self._daemon.orchestrator.containers(self._service.name)
        backends = self._service.pool.backends
        return sum(backend.phase in _LEAVING and backend.replica.id in containers for backend in backends)

    async def _shrink(self, desired: int) -> None:
        daemon, service = self._daemon, self._service
        if not daemon.orchestrator.can_choose_victim:
            async with daemon.scaling:
                await daemon.orchestrator.scale_to(service.name, desired)
            return
        leaving = plan_scale(service.pool.backends, desired).remove
        await asyncio.gather(*(drain_backend(daemon, service, each, "scaled down", _quiet) for each in leaving))
        async with daemon.scaling:
            await asyncio.gather(*(remove_drained(daemon, service, each, _quiet) for each in leaving))


# Private


def _is_awake(service: BalancedService) -> bool:
    """Whether there is something to measure, or a request that is to wake it."""
    return service.range is not None and (not service.asleep or service.load > 0 or was_woken(service))


def _quiet(_: str) -> None:
    """The log has each change of a phase already."""
