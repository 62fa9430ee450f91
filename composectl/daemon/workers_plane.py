"""The data plane of a service in the workers of a daemon, as the daemon sees it."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.shared_pool import SharedPool
from composectl.compose.ports import Port
from composectl.daemon.board import Board
from composectl.daemon.capped_backends import CappedBackends
from composectl.daemon.channel import MAX_DESCRIPTORS
from composectl.daemon.data_plane import PlaneHooks
from composectl.daemon.messages import (
    Canary,
    Counted,
    Cut,
    Finish,
    Follow,
    Noticed,
    Outlier,
    ReleaseSessions,
    Serve,
    ServicePlan,
    SessionMade,
    Silent,
    Untrusted,
)

if TYPE_CHECKING:
    from composectl.daemon.tls import ServiceTls
    from composectl.daemon.workers import Worker, Workers

_ABORT_TIMEOUT = 3.0
ListeningSockets = Mapping[Port, Sequence[socket.socket]]


class WorkersPlane:
    """For the arguments see `DataPlane`."""

    def __init__(
        self,
        plan: ServicePlan,
        pool: SharedPool,
        workers: Workers,
        hooks: PlaneHooks,
        tls: ServiceTls | None = None,
    ) -> None:
        self.plan = plan
        self._tls = tls
        self._pool = pool
        self._workers = workers
        self._hooks = hooks
        self._listening: ListeningSockets | None = None
        self._canary = Canary(plan.name)
        limit = plan.balancing.max_in_flight
        self._capped = None if limit is None else CappedBackends(limit, workers.backend_numbers, self._is_known)
        self._load = 0.0
        self._queued: dict[int, int] = {}  # by worker
        self._recognised: dict[int, Mapping[Port, Mapping[str, int]]] = {}
        self._recognised_before = {port: Counter[str]() for port in plan.protocols}  # by workers that have ended

    @property
    def is_served(self) -> bool:
        return self._listening is not None

    @property
    def queued(self) -> int:
        return sum(self._queued.values())

    def integrate(self, at: float) -> float:
        """The workers measure, and report."""
        return self._load

    def recognised(self, port: Port) -> dict[str, int]:
        total = Counter(self._recognised_before[port])
        for by_port in self._recognised.values():
            total.update(by_port.get(port, {}))
        return dict(total)

    async def serve(self, listening: ListeningSockets) -> None:
        self._workers.start()
        self._listening = {port: listening[port] for port in self.plan.routing.own(self.plan.protocols)}
        for worker in self._workers:
            self._send_sockets(worker, self._listening)
        await self._workers.refresh()

    async def drain_connections(self, seconds: float) -> None:
        await self._finish("drain_connections", seconds)

    async def shut_down(self) -> None:
        self._pool.drain_all("composectl ends")
        await self._finish("shut_down")

    async def abort(self) -> None:
        await self._finish("abort")

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        self._workers.tell(Cut(self.plan.name, self._pool.ref(backend), spare_streams))

    def phase_changed(self, backend: Backend) -> None:
        for worker in self._workers:
            self._tell_phase(worker, backend, backend.phase)

    def begin_canary(self, old: Collection[str], share: float) -> None:
        self._canary = Canary(self.plan.name, frozenset(old), share)
        self._workers.tell(self._canary)

    def end_canary(self) -> None:
        self._canary = Canary(self.plan.name)
        self._workers.tell(self._canary)

    def release_sessions(self, backend: Backend) -> None:
        self._workers.tell(ReleaseSessions(self.plan.name, self._pool.ref(backend)))

    def sweep(self) -> None:
        """The workers do so by themselves."""

    @property
    def plan_now(self) -> ServicePlan:
        """For a worker that is to start: with the certificates that are served now."""
        return self.plan if self._tls is None else replace(self.plan, tls=self._tls.plan)

    # What becomes of a worker

    def joined(self, worker: Worker) -> None:
        """Tell a worker that begins all that it has to know."""
        self._pool.join(worker.number)
        sessions = self._pool.leases.sessions
        for backend in self._in_turn(worker.number):
            if sessions is not None and sessions.keeps(backend):
                self._tell_phase(worker, backend, Phase.READY)
            self._tell_phase(worker, backend, backend.phase)
        worker.send(self._canary)
        for session, backend in sessions.remembered() if sessions is not None else ():
            worker.send(SessionMade(self.plan.name, session, self._pool.ref(backend)))
        if self._listening is not None:
            self._send_sockets(worker, self._listening)

    def give_back(self, worker: Worker, board: Board, changing: int) -> None:
        """It has ended, and the board still has what it had: see `CappedBackends`."""
        if self._capped is not None:
            self._capped.give_back(board, worker.number, changing)

    def close(self) -> None:
        if self._capped is not None:
            self._capped.close()

    def left(self, worker: Worker) -> None:
        """It has ended."""
        self._pool.leave(worker.number)
        self._queued.pop(worker.number, None)
        for port, recognised in self._recognised.pop(worker.number, {}).items():
            self._recognised_before[port].update(recognised)

    def heard(self, worker: Worker, message: Any) -> None:
        """What a worker tells of this service."""
        match message:
            case Counted():
                self._pool.count(worker.number, message.counts)
                self._load += message.load
                self._queued[worker.number] = message.queued
                self._recognised[worker.number] = message.recognised
            case Outlier():
                if (backend := self._pool.find(message.ref)) is not None:
                    self._pool.eject(backend, message.error)
            case SessionMade():
                self._share_session(worker, message)
            case Untrusted():
                self._hooks.on_untrusted(message.client)
            case Silent():
                self._hooks.on_silent(message.port)
            case Noticed():
                self._hooks.on_notice(message.sentence)

    # Private

    async def _finish(self, how: str, seconds: float = 0.0) -> None:
        """Let no client wait on a socket that no worker accepts from any more."""
        self._workers.begin_end()
        if self._listening is None:
            return
        for sockets in self._listening.values():
            for sock in sockets:
                sock.close()
        limit = _ABORT_TIMEOUT if how == "abort" else None
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._workers.ask(lambda number: Finish(self.plan.name, how, number, seconds))

    def _is_known(self, ref: int) -> bool:
        return self._pool.find(ref) is not None

    def _tell_phase(self, worker: Worker, backend: Backend, phase: Phase) -> None:
        ref = self._pool.ref(backend)
        follow = Follow(self.plan.name, ref, backend.replica, phase)
        if self._capped is None or phase is Phase.GONE or not self._is_known(ref):
            worker.send(follow)
        else:
            places = self._capped.of(ref)
            worker.send(replace(follow, number=places.number), [places.descriptor])

    def _in_turn(self, worker: int) -> list[Backend]:
        """All backends; another one comes first for each worker, so that policies which take turns differ."""
        backends = self._pool.leases.backends
        first = worker * len(backends) // len(self._workers)
        return backends[first:] + backends[:first]

    def _send_sockets(self, worker: Worker, listening: ListeningSockets) -> None:
        own = list(self._own_sockets(worker.number, listening))
        parts = [own[at : at + MAX_DESCRIPTORS] for at in range(0, len(own), MAX_DESCRIPTORS)] or [[]]
        for part in parts:
            ports = tuple(port for port, _ in part)
            worker.send(Serve(self.plan.name, ports, part is parts[-1]), [sock.fileno() for _, sock in part])

    def _own_sockets(self, worker: int, listening: ListeningSockets) -> Iterator[tuple[Port, socket.socket]]:
        """Every n-th socket of each address, so that each has a worker though there may be more of them."""
        for port, sockets in listening.items():
            seen = Counter[Any]()
            for sock in sockets:
                address = sock.getsockname()
                if seen[address] % len(self._workers) == worker:
                    yield port, sock
                seen[address] += 1

    def _share_session(self, worker: Worker, message: SessionMade) -> None:
        backend, sessions = self._pool.find(message.ref), self._pool.leases.sessions
        if backend is None or sessions is None:
            return
        sessions.remember(message.session, backend)
        for other in self._workers:
            if other is not worker:
                other.send(message)
