"""An orchestrator of paper, and a daemon over it: replicas are made and removed at once, as a test scripts it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from composectl import errors
from composectl.balance.backend import ContainerHealth, Replica
from composectl.balance.waiting import Condition
from composectl.changes import ChangeFeed
from composectl.compose.ports import Port
from composectl.compose.update_config import UpdateConfig
from composectl.config.service import BalancingConfig
from composectl.control.lock import ProjectLock
from composectl.daemon.admin import AdminListeners
from composectl.daemon.daemon import Daemon
from composectl.daemon.service import BalancedService
from composectl.engine.containers import ExitedContainer
from composectl.engine.usage import Usage
from composectl.engine.watch import ReplicaObserver
from composectl.orchestrator.base import ForeignContainer, Orchestrator, Revision
from composectl.proxy.limits import ConnectionLimit

HEALTHY, UNHEALTHY = ContainerHealth.HEALTHY, ContainerHealth.UNHEALTHY
OLD, NEW = b"old", b"new"


class FakeOrchestrator(Orchestrator):
    """`log` has what was asked of it, in order; `health` is that of the replicas it makes, by revision.

    Containers that are made `exit`, or of a service that has `ended`, are there, and do not run. `ready_in`: the
    seconds that the others may take to be ready; `found`: the conditions of those that are not well. `capacity`: the
    most replicas; `outdated`: the services that are not as the new revision makes them; `broken`: the error of every
    attempt to make a replica.
    """

    def __init__(
        self,
        desired: Mapping[str, int],
        refusal: errors.ComposectlError | None = None,
        capacity: int = 100,
        project: str = "",
    ) -> None:
        super().__init__(desired, refusal)
        self.log: list[str] = []
        self.health: dict[bytes, ContainerHealth] = {OLD: HEALTHY, NEW: HEALTHY}
        self.exits: set[bytes] = set()
        self.ended: set[str] = set()
        self.output: Sequence[str] = ("panic: no database",)
        self.ready_in = 60.0
        self.found: list[Condition] = []
        self.never_ran: list[ExitedContainer] = []
        self.outdated = set(desired)
        self.created: list[str] = []  # services of containers that another tool has not started
        self.hooked: list[str] = []  # the containers in which pre_stop hooks have run
        self.hook_error: errors.ComposectlError | None = None
        self.broken: errors.ComposectlError | None = None
        self.strangers: dict[str, ForeignContainer] = {}  # made by another tool
        self.revisions = dict.fromkeys(desired, OLD)
        self.written = UpdateConfig()
        self.cpu = 0.0  # seconds that each replica has used at each look more
        self.looks = 0
        self.used_by_each = 0
        self.memory_used: tuple[int, int] | None = None
        self._capacity = capacity
        self._project = project
        self._made: dict[str, tuple[str, Revision, Replica]] = {}  # service, revision and replica, by id
        self._count = 0
        self._observer: ReplicaObserver | None = None
        for service, count in desired.items():
            for _ in range(count):
                self._make(service, OLD)

    def observe(self, observer: ReplicaObserver) -> None:
        """Report to this observer from now on, at once for the first time."""
        self._observer = observer
        for service in self.desired:
            self._report(service)

    def sicken(self, number: int) -> None:
        """Report that the HEALTHCHECK of this replica fails."""
        for service, revision, replica in list(self._made.values()):
            if replica.number == number:
                self._made[replica.id] = (service, revision, replace(replica, health=UNHEALTHY))
                self._report(service)

    def recreate(self, *, runs: bool, service: str = "echo") -> None:
        """Put one container of another tool in the place of all replicas."""
        self._made = {id: made for id, made in self._made.items() if made[0] != service}  # noqa: A001
        if runs:
            self._make(service, OLD)
            self.strangers[next(reversed(self._made))] = ForeignContainer(runs=True, blocked=False)
        else:
            self.strangers[f"stranger {len(self.strangers)}"] = ForeignContainer(runs=False, blocked=True, failed=True)
        self._report(service)

    def remake(self) -> None:
        """Report all replicas anew, with the health that theirs have now."""
        for service, revision, replica in list(self._made.values()):
            self._made[replica.id] = (service, revision, replace(replica, health=self.health[revision]))
            self._report(service)

    @property
    def made(self) -> list[tuple[str, Revision, Replica]]:
        """The service, the revision and the replica of each container."""
        return list(self._made.values())

    def numbers(self, service: str = "echo") -> list[int]:
        """The numbers of the containers."""
        return [replica.number for of, _, replica in self._made.values() if of == service]

    async def watch(self, observer: ReplicaObserver) -> NoReturn:
        self.observe(observer)
        while True:
            await asyncio.Event().wait()

    async def start(self) -> None:
        self.log.append("start")
        if self.broken:
            raise self.broken

    async def stop(self, *, kill: bool = False) -> None:
        self.log.append("kill" if kill else "stop")

    async def stop_started(self, *, kill: bool = False) -> None:
        self.log.append("kill started" if kill else "stop started")

    async def conditions(self, well: Collection[str], suspects: Collection[str]) -> list[Condition]:
        return [condition for condition in self.found if condition.id not in well]

    async def ready_seconds(self, service: str) -> float:
        return self.ready_in

    async def replicas(self, service: str) -> list[Replica]:
        return [replica for of, revision, replica in self._made.values() if of == service and self._runs(of, revision)]

    async def containers(self, service: str) -> dict[str, str]:
        return {replica.id: replica.name for of, _, replica in self._made.values() if of == service}

    async def exited(self, service: str) -> list[ExitedContainer]:
        exited = [
            ExitedContainer(replica.id, replica.name, 3, restarting=False)
            for of, revision, replica in self._made.values()
            if of == service and not self._runs(of, revision)
        ]
        return [*exited, *self.never_ran]

    async def foreign(self, service: str) -> dict[str, ForeignContainer]:
        return dict(self.strangers)

    async def start_created(self) -> list[str]:
        created, self.created = self.created, []
        return created

    async def last_lines(self, id: str, count: int) -> Sequence[str]:  # noqa: A002 - Docker's word
        return self.output

    def check_capacity(self, service: str, count: int, revision: Revision | None = None) -> None:
        if count > self._capacity:
            raise errors.udp_port(service, "udp", 53, self._capacity, count)

    async def scale_to(self, service: str, count: int, revision: Revision | None = None) -> None:
        self.log.append(f"scale {service}={count}")
        if self.broken:
            raise self.broken
        numbers = self.numbers(service)
        for _ in range(count - len(numbers)):
            self._make(service, revision or self.revisions[service])
        for number in [] if self.can_choose_victim else numbers[count:]:
            self._made = {id: made for id, made in self._made.items() if made[2].number != number}  # noqa: A001
        self._report(service)

    async def usage(self, service: str) -> dict[str, Usage]:
        self.looks += 1
        used = Usage(self.cpu * self.looks, self.used_by_each)
        return {replica.id: used for of, _, replica in self._made.values() if of == service}

    def memory(self) -> tuple[int, int] | None:
        return self.memory_used

    async def sleep(self, service: str, *, pause: bool) -> None:
        self.log.append(f"{'pause' if pause else 'stop'} {service}")
        if pause:
            self.report_health(service, UNHEALTHY)
        else:
            self.ended.add(service)
            self._report(service)

    async def wake(self, service: str) -> None:
        self.log.append(f"wake {service}")
        if self.broken:
            raise self.broken
        self.ended.discard(service)
        self.report_health(service, HEALTHY)

    def report_health(self, service: str, health: ContainerHealth) -> None:
        """That of all its replicas; one that is paused is unhealthy."""
        for id, (of, revision, replica) in list(self._made.items()):  # noqa: A001 - Docker's word
            if of == service:
                self._made[id] = (service, revision, replace(replica, health=health))
        self._report(service)

    async def remove(self, id: str, grace_period: float | None = None) -> None:  # noqa: A002 - Docker's word
        for container in self.never_ran:
            if container.id == id:
                self.log.append(f"remove {container.name}")
        self.never_ran = [container for container in self.never_ran if container.id != id]
        stranger = self.strangers.pop(id, None)
        if stranger and not stranger.runs:
            self.log.append(f"remove {id}")
        if id in self._made:
            service, _, replica = self._made.pop(id)
            self.log.append(f"remove {replica.name}")
            self._report(service)

    async def newest_revision(self, service: str) -> str:
        return NEW.decode()

    def revision(self, rendered: str) -> Revision:
        return rendered.encode()

    async def is_outdated(self, service: str, revision: Revision) -> bool:
        return service in self.outdated

    def update_config(self, service: str, revision: Revision) -> UpdateConfig:
        return self.written

    async def run_pre_stop(self, service: str, id: str) -> None:  # noqa: A002 - Docker's word
        if self.hook_error:
            raise self.hook_error
        self.hooked.append(id)

    def set_revision(self, service: str, revision: Revision) -> None:
        self.revisions[service] = revision

    # Private

    def _runs(self, service: str, revision: Revision) -> bool:
        return revision not in self.exits and service not in self.ended

    def _make(self, service: str, revision: Revision) -> None:
        self._count += 1
        number = min(set(range(1, self._count + 1)) - set(self.numbers(service)))
        id, name = f"{self._count:064x}", f"{self._project}{service}-{number}"  # noqa: A001 - Docker's word
        replica = Replica(id, "1", number, name, f"127.0.0.{number}", self.health[revision])
        self._made[id] = (service, revision, replica)

    def _report(self, service: str) -> None:
        if self._observer is not None:
            running = [
                replica for of, revision, replica in self._made.values() if of == service and self._runs(of, revision)
            ]
            self._observer.replicas_listed(service, running)


def make_daemon(orchestrator: Orchestrator, folder: Path, ports: Sequence[Port] | None = None) -> Daemon:
    """A daemon in this folder, with a service for each that the orchestrator has; it serves nothing yet."""
    changes, limit = ChangeFeed(), ConnectionLimit(100)
    services = {
        name: BalancedService(name, ports or [Port("127.0.0.1", (0, 0), 80, "tcp")], BalancingConfig(), limit, changes)
        for name in orchestrator.desired
    }
    return Daemon(ProjectLock(folder, "shop", "engine"), changes, services, orchestrator, AdminListeners())
