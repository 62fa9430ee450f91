"""A worker: one of the processes that share the listeners of a daemon, which tells it what to do."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from composectl.balance.backend import Backend, Transition
from composectl.balance.following_pool import FollowingPool
from composectl.balance.phase import Phase
from composectl.compose.ports import Port
from composectl.control.pacing import run, ticks
from composectl.daemon.board import Board, ServiceSeats
from composectl.daemon.channel import Channel, encode
from composectl.daemon.data_plane import DataPlane, PlaneHooks, Shared
from composectl.daemon.messages import (
    Canary,
    Counted,
    Cut,
    Done,
    Finish,
    Follow,
    Logged,
    MakeRoom,
    Noticed,
    Outlier,
    ReleaseSessions,
    ReopenLog,
    Report,
    Said,
    Serve,
    ServicePlan,
    SessionMade,
    Silent,
    Start,
    Untrusted,
)
from composectl.daemon.sessions import make_session_fields
from composectl.daemon.tls import make_backend_tls
from composectl.proxy.access_log import AccessLog, AccessWriter, Sink
from composectl.proxy.listener import make_connection_limit
from composectl.proxy.shared_cap import Places, SharedCap
from composectl.proxy.shared_connection_limit import SharedConnectionLimit

if TYPE_CHECKING:
    from composectl.proxy.tls_contexts import TlsContexts


def run_worker(start: Start, descriptors: Sequence[int], contexts: Mapping[str, TlsContexts]) -> None:
    """Serve until the daemon closes its end of the channel, which is the first of the descriptors.

    `contexts`: those of TLS, by service, that were made before the process began.
    """
    with socket.socket(fileno=os.dup(descriptors[0])) as end:
        try:
            run(_work(start, descriptors, contexts))
        except BaseException:
            with suppress(OSError):
                end.send(encode(Said(traceback.format_exc())))
            raise


class Daemon(Protocol):
    """The other end."""

    def send(self, message: object) -> None: ...


class Worker:
    """For `contexts` see `run_worker`."""

    def __init__(
        self,
        start: Start,
        board: Board,
        log: AccessLog | None,
        daemon: Daemon,
        contexts: Mapping[str, TlsContexts],
    ) -> None:
        self._daemon = daemon
        self._board = board
        self._number = start.number
        self._log = log
        if start.max_connections is None:
            self._limit = make_connection_limit()
        else:
            make_connection_limit()  # raises the limit of open files
            clients = board.clients(start.number)
            self._limit = SharedConnectionLimit(start.max_connections, clients, partial(daemon.send, MakeRoom()))
        shared = Shared(self._limit, log, start.workers)
        self.services: dict[str, WorkerService] = {}
        for place, plan in enumerate(start.services):
            seats = board.of_service(place, start.number)
            self.services[plan.name] = WorkerService(
                plan, shared, seats, daemon, self.report, self.services, contexts.get(plan.name)
            )
        self._finishing: set[asyncio.Task[None]] = set()

    def heard(self, message: Any, descriptors: list[int]) -> None:
        """Do what the daemon tells."""
        match message:
            case Report():
                self.report()
                self._daemon.send(Done(message.number))
            case Finish():
                task = asyncio.get_running_loop().create_task(self._finish(message))
                self._finishing.add(task)
                task.add_done_callback(self._finishing.discard)
            case Serve():
                self.services[message.service].listen(message, descriptors)
            case Follow():
                places = [self._places(message.number, descriptor) for descriptor in descriptors]
                self.services[message.service].follow(message, *places)
            case MakeRoom():
                self._limit.end_idle()
            case ReopenLog():
                if self._log is not None:
                    self._log.reopen()
            case _:
                self.services[message.service].heard(message)

    def report(self) -> None:
        """Tell all that was counted since the last time."""
        for service in self.services.values():
            service.report()
        if self._log is not None:
            self._daemon.send(Logged(self._log.written, self._log.dropped, self._log.last_error))

    def sweep(self) -> None:
        for service in self.services.values():
            service.sweep()

    # Private

    def _places(self, number: int, descriptor: int) -> Places:
        return Places(descriptor, number + 1, self._board.at_backend(number, self._number))

    async def _finish(self, message: Finish) -> None:
        plane = self.services[message.service].plane
        if message.how == "drain_connections":
            await plane.drain_connections(message.seconds)
        elif message.how == "shut_down":
            await plane.shut_down()
        else:
            await plane.abort()
        self.report()
        self._daemon.send(Done(message.number))


class WorkerService:
    """A service in this worker; `report` tells the daemon what was counted, `others` have listeners that it shares."""

    plane: DataPlane

    def __init__(
        self,
        plan: ServicePlan,
        shared: Shared,
        seats: ServiceSeats,
        daemon: Daemon,
        report: Callable[[], None],
        others: Mapping[str, WorkerService],
        contexts: TlsContexts | None,
    ) -> None:
        self._name = plan.name
        self._daemon = daemon
        self._told: object = None
        self._load = 0.0  # all that was measured
        fields = make_session_fields(plan.balancing, plan.session_scope, plan.name)
        self._sessions = fields.sessions if fields is not None else None
        if self._sessions is not None:
            self._sessions.on_made = self._tell_session
        own = plan.routing.own(plan.protocols)
        self._listening: dict[Port, list[socket.socket]] = {port: [] for port in own}
        self._contexts = None if plan.tls is None else plan.tls.contexts(contexts)
        policy, limit = plan.balancing.make_policy(time.monotonic), plan.balancing.max_in_flight
        self._cap = None if limit is None else SharedCap(policy, limit, self._admit, seats.waiting, seats.changing)
        self.pool = FollowingPool(
            plan.name, policy, time.time, self._phase_changed, self._sessions, report, self._tell_outlier, self._cap
        )
        hooks = PlaneHooks(
            lambda client: daemon.send(Untrusted(plan.name, client)),
            lambda port: daemon.send(Silent(plan.name, port)),
            lambda sentence: daemon.send(Noticed(plan.name, sentence)),
        )
        self.plane = DataPlane(
            self.pool,
            plan.protocols,
            plan.balancing,
            shared,
            fields,
            hooks,
            plan.routing,
            {port: others[host].plane.server_of(there) for port, (host, there) in plan.routing.hosts.items()},
            self._contexts,
            make_backend_tls(plan.balancing.backend_tls, plan.name, list(plan.protocols)),
            report,
            seats.queued,
            seats.waiting if self._cap is not None else None,
        )

    def listen(self, message: Serve, descriptors: Sequence[int]) -> None:
        """Take more listening sockets, and serve with all once they are there."""
        for port, descriptor in zip(message.ports, descriptors, strict=True):
            self._listening[port].append(socket.socket(fileno=descriptor))
        if message.is_last:
            self._serving = asyncio.get_running_loop().create_task(self.plane.serve(self._listening))

    def follow(self, message: Follow, places: Places | None = None) -> None:
        """`places`: at the backend, where there is a cap."""
        self.pool.follow(message.ref, message.replica, message.phase)
        if self._cap is not None and places is not None:
            self._cap.know(self.pool.find(message.ref), places)
        if message.phase is Phase.DRAINING:
            self.report()

    def heard(self, message: Any) -> None:
        match message:
            case Canary():
                self.pool.leases.end_canary()
                if message.share is not None:
                    self.pool.leases.begin_canary(message.old, message.share)
            case Cut():
                if (backend := self.pool.find(message.ref)) is not None:
                    self.plane.cut(backend, spare_streams=message.spare_streams)
            case ReleaseSessions():
                if self._sessions is not None and (backend := self.pool.find(message.ref)) is not None:
                    self._sessions.release(backend)
            case SessionMade():
                if self._sessions is not None and (backend := self.pool.find(message.ref)) is not None:
                    self._sessions.remember(message.session, backend)

    def report(self) -> None:
        recognised = {port: self.plane.recognised(port) for port in self._listening}
        before, self._load = self._load, self.plane.integrate(time.monotonic())
        counted = Counted(self._name, self.pool.take_counts(), self.plane.queued, self._load - before, recognised)
        state = counted.counts.draining, counted.queued, recognised
        if counted.counts.has_any or counted.load or state != self._told:
            self._daemon.send(counted)
            self._told = state

    def sweep(self) -> None:
        self.plane.sweep()
        if self._contexts is not None:
            self._contexts.sweep()  # the daemon renews the files

    # Private

    def _admit(self) -> None:
        self.plane.admit()

    def _phase_changed(self, _: Transition, backend: Backend) -> None:
        self.plane.phase_changed(backend)

    def _tell_outlier(self, ref: int, error: str) -> None:
        self._daemon.send(Outlier(self._name, ref, error))

    def _tell_session(self, session: bytes, backend: Backend) -> None:
        self._daemon.send(SessionMade(self._name, session, self.pool.ref(backend)))


# Private


class _Stderr(io.TextIOBase):
    """Passes what is written to the daemon, line by line or in larger pieces."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def write(self, text: str, /) -> int:
        self._daemon.send(Said(text))
        return len(text)


async def _work(start: Start, descriptors: Sequence[int], contexts: Mapping[str, TlsContexts]) -> None:
    end, memory, *others = descriptors
    board = Board(memory, len(start.services), start.workers)
    over = asyncio.Event()
    log = _open_log(start, others, memory)
    channel = Channel(socket.socket(fileno=end), lambda message, fds: worker.heard(message, fds), over.set)
    sys.stderr = _Stderr(channel)
    worker = Worker(start, board, log, channel, contexts)
    sweeping = asyncio.create_task(_sweep(worker))
    await over.wait()
    sweeping.cancel()
    if log is not None:
        log.close()


async def _sweep(worker: Worker) -> None:
    await asyncio.sleep(1)
    gc.freeze()  # as in the daemon
    async for _ in ticks(1.0):
        worker.sweep()


def _open_log(start: Start, descriptors: Sequence[int], turn: int) -> AccessLog | None:
    if start.access_log is None:
        return None
    style = start.access_log.style
    writer = AccessWriter(Sink(start.access_log.path, descriptors[0], turn))
    return AccessLog(writer, style.line, frozenset(style.headers))
