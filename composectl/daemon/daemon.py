"""The running daemon: its lock, the balanced services, the admin listeners, and a snapshot of them all."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from composectl import errors
from composectl.balance.backend import Key, Replica, name_load
from composectl.balance.snapshot import VERSION, LogView, Snapshot, iso
from composectl.changes import ChangeFeed
from composectl.control.commands import DaemonInfo
from composectl.control.events import EventStream, SnapshotCache
from composectl.control.listener_fds import ListenerFds
from composectl.control.lock import ProjectLock
from composectl.control.metrics_server import MetricsHandler
from composectl.daemon.admin import AdminListeners
from composectl.daemon.diagnosis import Diagnosis
from composectl.daemon.service import BalancedService
from composectl.daemon.workers import Workers
from composectl.orchestrator.base import Orchestrator
from composectl.proxy.access_log import AccessLog
from composectl.screen.console import info, reached_at, warning

_IDLE_CLIENT_SECONDS = 5.0  # as long as most clients keep an idle connection


@dataclass(eq=False)
class Daemon:
    """Owns everything until `close`, and observes the replicas; `scaling` is held while some are made or removed."""

    lock: ProjectLock
    changes: ChangeFeed
    services: Mapping[str, BalancedService]
    orchestrator: Orchestrator
    admin: AdminListeners
    access_log: AccessLog | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    workers: Workers | None = None

    def __post_init__(self) -> None:
        self.diagnosis = Diagnosis(self.orchestrator, self.services)
        self.snapshots = SnapshotCache(self.snapshot)
        self.events = EventStream(self.snapshots.json, self.changes.subscribe)
        without_output = SnapshotCache(self.snapshot, output=False)
        self.dashboard_events = EventStream(without_output.json, self.changes.subscribe)
        self.metrics = MetricsHandler(self.snapshot, self.refresh)
        self.scaling = asyncio.Lock()
        self.listed = asyncio.Event()  # after every listing
        self._stale_since: float | None = None  # epoch seconds

    def info(self) -> DaemonInfo:
        """What other terminals find it by, and what a successor needs."""
        return DaemonInfo(
            self.lock.project,
            os.getpid(),
            self.orchestrator.directory,
            self.listeners,
            self.orchestrator.published_host,
            metrics=self.admin.metrics.url if self.admin.metrics else "",
            dashboard=self.admin.dashboard.url if self.admin.dashboard else "",
            options=self.options,
            ports={name: service.listeners_by_port for name, service in self.services.items()},
            profiles=self.orchestrator.profiles,
        )

    def snapshot(self) -> Snapshot:
        desired = self.orchestrator.desired
        services = tuple(
            service.view(desired[name], self.diagnosis.waiting(name)) for name, service in self.services.items()
        )
        stale_since = None if self._stale_since is None else iso(self._stale_since)
        log = None if self.access_log is None else LogView(self.access_log.written, self.access_log.dropped)
        return Snapshot(
            VERSION,
            self.lock.project,
            services,
            stale_since,
            os.getpid(),
            log,
            others=self.diagnosis.others,
            logs=self.orchestrator.logs_command,
            workers=() if self.workers is None else self.workers.views,
        )

    async def refresh(self) -> None:
        """Have what the workers have counted until now."""
        if self.workers is not None:
            await self.workers.refresh()

    @property
    def listeners(self) -> tuple[str, ...]:
        """Where the services are reached, as `host:port`, also to be sent on to HTTPS."""
        services = self.services.values()
        return tuple(place for service in services for place in (*service.listeners, *service.redirect_http))

    def summary(self, *, of_ready: bool = False) -> str:
        """A line for each service, or for each that is ready: its backends and its listeners."""
        return "".join(
            f"{self.lock.project if self.orchestrator.refusal else name}: {self.orchestrator.describe(name)}"
            f" behind {reached_at(service.listeners, service.redirect_http)}\n"
            for name, service in self.services.items()
            if service.pool.ready or not of_ready
        )

    @property
    def listener_fds(self) -> ListenerFds:
        """The listening sockets and the lock, for a successor."""
        listening = {name: sockets for service in self.services.values() for name, sockets in service.listening.items()}
        return ListenerFds({**listening, **self.admin.listening}, self.lock.fd)

    def service(self, name: str) -> BalancedService:
        """A balanced service. Raises `not_balanced`."""
        if name not in self.services:
            raise errors.not_balanced(name, self.services)
        return self.services[name]

    def check_no_canary(self) -> None:
        """Raise `canary_paused` where a rollout is paused: until it is decided, nothing is scaled or rolled out."""
        for name, service in self.services.items():
            if service.canary is not None:
                raise errors.canary_paused(name)

    async def tick(self) -> None:
        """To be called once a second."""
        await self.refresh()
        for service in self.services.values():
            service.sweep()
        if self.admin.dashboard:
            await self.admin.dashboard.sample(service.pool for service in self.services.values())

    @property
    def load(self) -> str:
        """What is in flight at the backends, in words."""
        return name_load(backend for service in self.services.values() for backend in service.pool.backends)

    @property
    def drain_timeout(self) -> float:
        """The longest of the services, in seconds."""
        return max(service.drain_timeout for service in self.services.values())

    async def shut_down(self) -> None:
        """Accept nothing more, and wait for what is in flight; with a successor, clients leave after a response."""
        services = self.services.values()
        if not self.lock.is_owner:
            await self.admin.shut()
            await asyncio.gather(*(service.drain_connections(_IDLE_CLIENT_SECONDS) for service in services))
        await asyncio.gather(*(service.shut_down() for service in services))

    async def abort(self) -> None:
        """End all connections of clients; those that wait for something get a reset."""
        await asyncio.gather(*(service.abort() for service in self.services.values()))

    def close(self) -> None:
        """Free the ports, the name and the engine; the access log is written to its end."""
        for service in self.services.values():
            service.close()
        if self.workers is not None:
            self.workers.close()
        if self.access_log is not None:
            self.access_log.close()
        self.admin.close()
        self.lock.release()
        self.orchestrator.close()

    # What the orchestrator reports (ReplicaObserver)

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        self.orchestrator.count(service, replicas)
        self.services[service].pool.sync(replicas)
        self.changes.wake()
        self.listed.set()
        self.diagnosis.hint()

    def replica_stopping(self, service: str, container_id: str, reason: str) -> None:
        self.services[service].pool.drain(container_id, reason)

    def replica_gone(self, service: str, key: Key, reason: str) -> None:
        self.services[service].pool.remove(key, reason)

    def engine_lost(self, reason: str) -> None:
        self._stale_since = time.time()
        warning(reason)

    def engine_back(self) -> None:
        self._stale_since = None
        info("the Docker Engine answers again")
