"""The workers of a daemon: started, told what to do, asked what they counted, and replaced where they end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from random import uniform
from typing import Any, NoReturn

from composectl import errors
from composectl.balance.shared_pool import SharedPool
from composectl.balance.snapshot import WorkerView, iso
from composectl.changes import ChangeFeed
from composectl.config.daemon import AccessLogConfig, DaemonConfig, open_log
from composectl.config.service import BalancingConfig
from composectl.daemon.board import Board
from composectl.daemon.capped_backends import BackendNumbers
from composectl.daemon.channel import Channel, pair
from composectl.daemon.data_plane import PlaneHooks
from composectl.daemon.messages import (
    Done,
    Ended,
    Logged,
    MakeRoom,
    ReopenLog,
    Report,
    Said,
    ServicePlan,
    Start,
    Started,
)
from composectl.daemon.tls import ServiceTls
from composectl.daemon.workers_plane import WorkersPlane
from composectl.daemon.zygote import Zygote
from composectl.proxy.access_log import AccessLog, Sink
from composectl.proxy.guards import make_guards
from composectl.proxy.seats import make_memory
from composectl.screen.console import warning

_REPORT_INTERVALS = (0.15, 0.3)  # uneven, so that what comes at even ones is not missed
_REPORT_TIMEOUT = 1.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_STEADY = 10.0  # seconds after which a worker that ends is replaced at once


class Worker:
    """A worker, and those that take its place: its `number`, and what the present one has told."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.channel: Channel | None = None
        self.pid = 0
        self.since = 0.0  # epoch seconds
        self.restarts = 0
        self.last_end = ""
        self.logged = Logged(0, 0, "")
        self.pause = 0.0
        self.pending: dict[int, asyncio.Future[None]] = {}

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Tell it, if it runs."""
        if self.channel is not None:
            self.channel.send(message, descriptors)

    async def ask(self, number: int, message: object) -> None:
        """Tell it, and wait until it has done so, or has ended."""
        if self.channel is None:
            return
        done = self.pending[number] = asyncio.get_running_loop().create_future()
        self.channel.send(message)
        try:
            await done
        finally:
            self.pending.pop(number, None)

    def ended(self) -> float:
        """Nothing more comes from it; the seconds until the next one is to take its place."""
        self.channel = None
        for done in self.pending.values():
            if not done.done():
                done.set_result(None)
        if time.time() - self.since >= _STEADY:
            self.pause = 0.0
        pause, self.pause = self.pause, min(max(2 * self.pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        return pause

    @property
    def view(self) -> WorkerView:
        pid = self.pid if self.channel is not None else 0
        return WorkerView(self.number + 1, pid, iso(self.since), self.restarts, self.last_end)


class Workers:
    """`plane` is to be called for each service before the first one serves, which starts them."""

    def __init__(self, zygote: Zygote, config: DaemonConfig, changes: ChangeFeed) -> None:
        self._zygote = zygote
        self._config = config
        self._changes = changes
        self._workers = [Worker(number) for number in range(config.workers)]
        self._planes: dict[str, WorkersPlane] = {}
        self._starter: Channel | None = None
        self._board: Board | None = None
        self.backend_numbers = BackendNumbers()
        self._by_pid: dict[int, Worker] = {}
        self._numbers = count()
        self._is_over = False
        self._cannot_start = asyncio.Event()
        self._log: WorkersLog | None = None

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    def __len__(self) -> int:
        return len(self._workers)

    def plane(
        self,
        plan: ServicePlan,
        pool: SharedPool,
        hooks: PlaneHooks,
        tls: ServiceTls | None = None,
    ) -> WorkersPlane:
        """The data plane of a service. Raises UsageError for what only one process can count, and as `DataPlane`."""
        check_countable(plan.balancing, plan.name)
        make_guards(plan.balancing.guards)
        self._planes[plan.name] = WorkersPlane(plan, pool, self, hooks, tls)
        return self._planes[plan.name]

    def open_log(self, config: AccessLogConfig | None) -> AccessLog | None:
        """The access log, which the workers write. Raises ComposectlError."""
        return open_log(config, self._make_writer)

    @property
    def views(self) -> tuple[WorkerView, ...]:
        return tuple(worker.view for worker in self._workers) if self._starter is not None else ()

    def start(self) -> None:
        """Start all, unless they are started."""
        if self._starter is None:
            self._board = Board(make_memory(), len(self._planes), len(self._workers))
            self._starter = Channel(self._zygote.socket, self._heard_of, self._cannot_start.set)
            for worker in self._workers:
                self._start(worker)

    def tell(self, message: object) -> None:
        """Tell all."""
        for worker in self._workers:
            worker.send(message)

    async def ask(self, make: Callable[[int], object]) -> None:
        """Tell all, and wait until each has done so, or has ended; `make` gets a number for the answer."""
        asked = [(number, make(number)) for number, _ in zip(self._numbers, self._workers, strict=False)]
        answers = (worker.ask(*each) for worker, each in zip(self._workers, asked, strict=True))
        await asyncio.gather(*answers)

    async def refresh(self) -> None:
        """Have all that was counted until now; one that does not answer in a second is not waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_TIMEOUT):
                await self.ask(Report)

    async def watch(self) -> NoReturn:
        """Ask again and again, until cancelled. Raises ComposectlError where no worker can be replaced any more."""
        while True:
            await asyncio.sleep(uniform(*_REPORT_INTERVALS))
            if self._cannot_start.is_set() and not self._is_over:
                raise errors.no_more_workers(self._zygote.pid)
            await self.refresh()

    def begin_end(self) -> None:
        """Replace none that ends from now on."""
        self._is_over = True

    def close(self) -> None:
        """End them."""
        self._is_over = True
        for worker in self._workers:
            if worker.channel is not None:
                worker.channel.close()
        if self._starter is not None:
            self._starter.close()
        if self._board is not None:
            os.close(self._board.descriptor)
        for plane in self._planes.values():
            plane.close()

    # Private

    def _make_writer(self, sink: Sink) -> WorkersLog:
        self._log = WorkersLog(sink, self)
        return self._log

    def _start(self, worker: Worker) -> None:
        if self._is_over or self._starter is None or self._board is None:
            return
        plans = tuple(plane.plan_now for plane in self._planes.values())
        config = self._config
        start = Start(worker.number, len(self._workers), plans, config.max_connections, config.access_log)
        ours, its = pair()
        log = () if self._log is None else (self._log.sink.descriptor,)
        self._starter.send(start, (its.fileno(), self._board.descriptor, *log))
        its.close()
        worker.since = time.time()
        worker.channel = Channel(ours, partial(self._heard, worker), partial(self._lost, worker))
        for plane in self._planes.values():
            plane.joined(worker)

    def _heard(self, worker: Worker, message: Any, _: list[int]) -> None:
        match message:
            case Done():
                done = worker.pending.get(message.number)
                if done is not None and not done.done():
                    done.set_result(None)
            case Logged():
                worker.logged = message
            case MakeRoom():
                for other in self._workers:
                    if other is not worker:
                        other.send(message)
            case Said():
                sys.stderr.write(message.text)
            case _:
                self._planes[message.service].heard(worker, message)
                self._changes.wake()

    def _heard_of(self, message: Any, _: list[int]) -> None:
        """What the zygote tells."""
        match message:
            case Started():
                worker = self._by_pid[message.pid] = self._workers[message.number]
                worker.pid = message.pid
            case Ended() if worker_ := self._by_pid.pop(message.pid, None):
                worker_.last_end = f"process {message.pid} {_how(message.status)}"
                if not self._is_over:
                    warning(f"worker {worker_.number + 1}: {worker_.last_end}; another one takes its place")

    def _lost(self, worker: Worker) -> None:
        """It has ended: what it had is lost, and another one takes its place."""
        if self._log is not None:
            self._log.forget(worker.logged)
        worker.logged = Logged(0, 0, "")
        pause = worker.ended()
        if self._board is not None:
            for place, plane in enumerate(self._planes.values()):
                plane.give_back(worker, self._board, self._board.of_service(place, worker.number).changing.own)
            self._board.leave(worker.number)
        for plane in self._planes.values():
            plane.left(worker)
        self._changes.wake()
        if not self._is_over:
            worker.restarts += 1
            asyncio.get_running_loop().call_later(pause, self._start, worker)


class WorkersLog:
    """A writer of the access log that only counts: its lines are written in the workers."""

    waiting = 0

    def __init__(self, sink: Sink, workers: Workers) -> None:
        self.sink = sink
        self._workers = workers
        self._written = self._lost = 0  # by workers that have ended

    @property
    def written(self) -> int:
        return self._written + sum(worker.logged.written for worker in self._workers)

    @property
    def lost(self) -> int:
        return self._lost + sum(worker.logged.dropped for worker in self._workers)

    @property
    def last_error(self) -> str:
        return next((worker.logged.last_error for worker in self._workers if worker.logged.last_error), "")

    def write(self, lines: list[str]) -> None:
        raise AssertionError("the daemon has no requests")

    def reopen(self) -> None:
        with suppress(OSError):  # each worker tells of its own failure
            self.sink.reopen()
        self._workers.tell(ReopenLog())

    def close(self) -> None:
        self.sink.close()

    def forget(self, logged: Logged) -> None:
        """A worker has ended."""
        self._written += logged.written
        self._lost += logged.dropped


def make_workers(zygote: Zygote | None, config: DaemonConfig, changes: ChangeFeed) -> Workers | None:
    """Those that the zygote starts, where there is one."""
    return None if zygote is None else Workers(zygote, config, changes)


def check_countable(balancing: BalancingConfig, service: str) -> None:
    """Raise UsageError for a limit that cannot be split: all connections of a client may be one worker's."""
    if balancing.guards.max_in_flight_per_client is not None:
        raise errors.UsageError(
            "`--workers` cannot be combined with `--max-in-flight-per-client`",
            f"omit one of the two: each worker would count the requests of `{service}` by itself",
        )


# Private


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
