"""Follows the tasks of services of a swarm: events of services and nodes are hints to list the tasks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from composectl.balance.backend import Replica
from composectl.engine.events import name_of
from composectl.engine.swarm import DOWN, RUNNING, SwarmNode, SwarmService, SwarmTask, make_replica
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.watch import ReplicaObserver
from composectl.errors import ComposectlError


@dataclass(frozen=True, slots=True)
class SwarmTiming:
    """Seconds between two lists: `busy` for `unrest` seconds after a change, then `waiting` as long as a task starts or
    stops, else `calm`.

    `services`: how often to list nodes and services at least. `backoff`: the pause before events are subscribed to
    again.
    """

    busy: float = 0.25
    unrest: float = 5.0
    waiting: float = 1.0
    calm: float = 2.0
    services: float = 10.0
    backoff: float = 1.0


@dataclass(slots=True)
class SwarmWatch:
    """Reports the running tasks of `services` to its observer until cancelled; `clock` gives seconds.

    `services`: Swarm's names of the services, by those that the observer knows. `networks`: see `make_replica`.
    `service_read` gets our name of each service, and the service, whenever it is read.

    Where the managers do not answer, nothing has changed: the last list counts until there is a new one.
    """

    engine: SwarmEngine
    services: Mapping[str, str]
    observer: ReplicaObserver
    networks: frozenset[str] = frozenset()
    timing: SwarmTiming = field(default_factory=SwarmTiming)
    clock: Callable[[], float] = time.monotonic
    service_read: Callable[[str, SwarmService], None] = lambda name, service: None

    _hint: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _names: dict[str, str] = field(init=False, default_factory=dict)  # of the services that there are, by id
    _nodes: dict[str, SwarmNode] = field(init=False, default_factory=dict)
    _services_at: float = field(init=False, default=float("-inf"))  # when these were listed
    # With the service, by task. The ports of a task vanish while its container still serves, and those here stay.
    _known: dict[str, tuple[str, Replica]] = field(init=False, default_factory=dict)
    _tasks: dict[str, SwarmTask] = field(init=False, default_factory=dict)
    _changed_at: float = field(init=False, default=float("-inf"))
    _is_lost: bool = field(init=False, default=False)

    async def run(self) -> NoReturn:
        """Follow the tasks until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_hearing())
            await self._keep_listing()

    # Private

    async def _keep_hearing(self) -> NoReturn:
        """What is not heard is found by listing, so that a stream that breaks is no news."""
        while True:
            try:
                with await self.engine.swarm_events() as events:
                    self._list_anew()
                    async for event in events:
                        if event.get("Type") == "node" or name_of(event) in self.services.values():
                            self._changed_at = self.clock()  # a list may come before what the event is about
                            self._list_anew()
            except ComposectlError:
                await asyncio.sleep(self.timing.backoff)

    def _list_anew(self) -> None:
        self._services_at = float("-inf")
        self._hint.set()

    async def _keep_listing(self) -> NoReturn:
        while True:
            self._hint.clear()
            try:
                await self._list()
            except ComposectlError as error:
                if not self._is_lost:
                    self.observer.engine_lost(error.message)
                self._is_lost = True
            else:
                if self._is_lost:
                    self.observer.engine_back()
                self._is_lost = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._hint.wait()

    @property
    def _pause(self) -> float:
        if self.clock() - self._changed_at < self.timing.unrest:
            return self.timing.busy
        is_waiting = self._is_lost or any(task.state != RUNNING or not task.is_wanted for task in self._tasks.values())
        return self.timing.waiting if is_waiting else self.timing.calm

    async def _list(self) -> None:
        if self.clock() - self._services_at >= self.timing.services or not self._names:
            await self._list_services()
        tasks = {task.id: task for task in await self._list_tasks()}
        if tasks != self._tasks:
            self._changed_at = self.clock()
        self._tasks = tasks
        self._report_stopping()
        self._known = dict(self._serving())
        for service in self.services:
            self.observer.replicas_listed(service, [replica for of, replica in self._known.values() if of == service])

    async def _list_services(self) -> None:
        found = [(name, await self.engine.service(in_swarm)) for name, in_swarm in self.services.items()]
        self._nodes = await self.engine.nodes()
        known = [(name, service) for name, service in found if service is not None]
        self._names = {service.id: name for name, service in known}
        self._services_at = self.clock()
        for name, service in known:
            self.service_read(name, service)

    async def _list_tasks(self) -> list[SwarmTask]:
        """Those that are to run and those that were known to, without all that have ended: these may be many more."""
        if not self._names:
            return []
        tasks = await self.engine.tasks(service=self._names, desired_state=(RUNNING,))
        if missing := self._known.keys() - {task.id for task in tasks}:
            tasks += await self.engine.tasks(id=missing)
        return tasks

    def _report_stopping(self) -> None:
        for task_id, (service, _) in self._known.items():
            task = self._tasks.get(task_id)
            if task is not None and not task.is_wanted and not task.has_ended:
                self.observer.replica_stopping(service, task_id, "its task is told to stop")

    def _serving(self) -> Iterable[tuple[str, tuple[str, Replica]]]:
        """The tasks that serve, or still do: of a node that is down that is known of those alone that are to run."""
        for task_id, task in self._tasks.items():
            node = self._nodes.get(task.node_id)
            if known := self._known.get(task_id):
                is_up = node is not None and node.state != DOWN
                if not task.has_ended and (task.is_wanted or is_up):
                    yield task_id, known
            elif (service := self._names.get(task.service)) and node:
                replica = make_replica(self.services[service], task, node, self.networks)
                if replica is not None:
                    yield task_id, (service, replica)
