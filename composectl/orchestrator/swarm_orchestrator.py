"""Services of a swarm, as the managers tell of their tasks; the ids of replicas are those of tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn, TypeVar

from composectl import errors
from composectl.balance.backend import Replica
from composectl.balance.waiting import Condition
from composectl.engine.containers import ExitedContainer
from composectl.engine.output import OutputLine, parse_service_output
from composectl.engine.swarm import RUNNING, SwarmService, SwarmTask, make_replica, task_name
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.swarm_conditions import error_of, is_settled, service_ready_seconds, task_conditions
from composectl.engine.swarm_watch import SwarmWatch
from composectl.engine.watch import ReplicaObserver
from composectl.orchestrator.base import Orchestrator

_T = TypeVar("_T")
_LAST_LINES = 10
_MOST_LOGS = 3  # of the tasks that are not well, for each look
_ELECTION_SECONDS, _RETRY_INTERVAL = 40.0, 0.5
_PULL_SECONDS = 60.0  # each node pulls the image itself


class SwarmOrchestrator(Orchestrator):
    """`names`: Swarm's names of the services, by ours. `networks`: see `make_replica`."""

    are_elsewhere = True
    can_choose_victim = False

    def __init__(
        self,
        engine: SwarmEngine,
        names: Mapping[str, str],
        desired: Mapping[str, int],
        refusal: errors.ComposectlError | None = None,
        networks: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(desired, refusal)
        self.logs_command = f"docker service logs -f {next(iter(names.values()))}"
        self._engine = engine
        self._names = names
        self._networks = networks

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        watch = SwarmWatch(self._engine, self._names, observer, self._networks, service_read=self.service_read)
        await watch.run()

    def service_read(self, name: str, service: SwarmService) -> None:
        """Take note of a service as it was read."""

    def close(self) -> None:
        self._engine.close()

    async def replicas(self, service: str) -> list[Replica]:
        nodes = await self._engine.nodes()
        tasks = [task for task in await self._tasks(service) if task.is_wanted and task.node_id in nodes]
        found = (make_replica(self._names[service], task, nodes[task.node_id], self._networks) for task in tasks)
        return [replica for replica in found if replica is not None]

    async def containers(self, service: str) -> dict[str, str]:
        """Also tasks that have ended, as long as the managers know them."""
        return {task.id: self._name(service, task) for task in await self._tasks(service)}

    async def desired_replicas(self, service: str) -> dict[str, str]:
        return {task.id: self._name(service, task) for task in await self._tasks(service) if task.is_wanted}

    async def exited(self, service: str) -> list[ExitedContainer]:
        return [
            ExitedContainer(task.id, self._name(service, task), task.exit_code or 0, False, error_of(task))
            for task in await self._tasks(service)
            if task.has_failed
        ]

    async def replaces_ended(self, service: str) -> bool:
        found = await self._engine.service(self._names[service])
        return found is not None and (found.restarts_always or bool(await self.desired_replicas(service)))

    async def ready_seconds(self, service: str) -> float:
        found = await self._engine.service(self._names[service])
        return _PULL_SECONDS + (service_ready_seconds(found) if found else 0.0)

    async def conditions(self, well: Collection[str], suspects: Collection[str]) -> list[Condition]:
        services = await self._services()
        running = await self._engine.tasks(service=services, desired_state=(RUNNING,)) if services else []
        found = []
        for service_id, (name, service) in services.items():
            tasks = [task for task in running if task.service == service_id]
            is_balanced = name in self._names
            if is_settled(service, tasks) and (not is_balanced or all(task.id in well for task in tasks)):
                continue
            every = await self._engine.tasks(service=(service_id,))
            told = task_conditions(name, service, every, well, time.time())
            found += [each for each in told if is_balanced or each.is_trouble]
        printed = [each.printed_by for each in found if each.printed_by][:_MOST_LOGS]
        lines = {task: await self.last_lines(task, _LAST_LINES) for task in printed}
        return [each.with_lines(lines.get(each.printed_by, ())) for each in found]

    async def last_lines(self, id: str, count: int) -> Sequence[str]:  # noqa: A002 - Docker's word
        """None where the node of the task does not answer."""
        with suppress(errors.ComposectlError):
            return await self._engine.task_lines(id, count)
        return ()

    async def new_output(
        self, seen: dict[str, str], count: int = 1000, service: str = "", number: int | None = None
    ) -> list[OutputLine]:
        lines: list[OutputLine] = []
        for name in (service,) if service else self._names:
            slots = {task.id: task.slot for task in await self._tasks(name)}
            output = await self._engine.service_output(self._names[name], count)
            lines += parse_service_output(output, name, slots, seen)
        return sorted((line for line in lines if number in (None, line.number)), key=lambda line: line.at)

    # Private

    async def _services(self) -> dict[str, tuple[str, SwarmService]]:
        """Those that are told of, by id, with our names of them."""
        read = [(name, await self._engine.service(in_swarm)) for name, in_swarm in self._names.items()]
        return {service.id: (name, service) for name, service in read if service is not None}

    def _name(self, service: str, task: SwarmTask) -> str:
        return task_name(self._names[service], task)

    async def _tasks(self, service: str) -> list[SwarmTask]:
        """All that the managers know, also those that have ended."""
        return await self._patiently(lambda: self._engine.tasks(service=(self._names[service],)))

    async def _patiently(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Ask again while the managers elect a leader: what has begun is not to fail for that. Raises NoLeader."""
        end = time.monotonic() + _ELECTION_SECONDS
        while True:
            try:
                return await ask()
            except errors.NoLeader:
                if time.monotonic() >= end:
                    raise
                await asyncio.sleep(_RETRY_INTERVAL)
