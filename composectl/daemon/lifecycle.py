"""The life of a daemon, which `up` and `proxy` share: prepare, adopt, serve, wait, drain, stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from composectl import errors
from composectl.control.api import serve_api
from composectl.control.commands import ScaleRequest
from composectl.control.listener_fds import OldProcess
from composectl.control.pacing import ticks
from composectl.control.paths import log_name
from composectl.control.table_controls import TableControls
from composectl.daemon.api import Api
from composectl.daemon.autoscaler import Autoscaling
from composectl.daemon.background import ReadyNotifier
from composectl.daemon.daemon import Daemon
from composectl.daemon.healing import Healer
from composectl.daemon.readiness import bring_up, until_serving, wait_for_stragglers, warn_if_unserved
from composectl.daemon.replica_output import ReplicaOutput
from composectl.daemon.scaling import scale
from composectl.daemon.service import bind_released_ports
from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on
from composectl.daemon.sleep import may_sleep_on, stay_asleep
from composectl.proxy.access_log import AccessLog, AccessLogMonitor
from composectl.sanitize import sanitize_lines
from composectl.screen.actions import Keys
from composectl.screen.console import change_line, info, print_error, transition_line, warning
from composectl.screen.live import is_live, show_table
from composectl.screen.output import forget_lost_readers, never_fail_to_print
from composectl.screen.waiting import waiting_spinner

_ADOPTION_TIMEOUT = 0.5
_FIRST_LOOK_TIMEOUT = 1.0
_STRAGGLER_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A daemon that holds its ports and its name, and has touched no container."""

    daemon: Daemon
    old_process: OldProcess | None = None  # serves until this daemon does
    ready_timeout: float | None = None  # seconds for the first backend; None for as long as its HEALTHCHECK says
    served: frozenset[str] = frozenset()  # the services of which the old process has a ready backend
    asleep: frozenset[str] = frozenset()  # those that it lets sleep


Prepare = Callable[[], Coroutine[Any, Any, Prepared]]


async def run_daemon(prepare: Prepare, notify_ready: ReadyNotifier | None) -> int:
    """Run until a signal or another terminal ends it. Returns the exit code. Raises ComposectlError."""
    never_fail_to_print()
    with Shutdown() as shutdown:
        try:
            prepared = await cancel_on(shutdown.requested, prepare())
        except Interrupted:
            return shutdown.exit_code
        try:
            return await Lifecycle(prepared, shutdown, notify_ready).run()
        finally:
            prepared.daemon.close()


class Lifecycle:
    def __init__(self, prepared: Prepared, shutdown: Shutdown, notify_ready: ReadyNotifier | None) -> None:
        self._daemon = prepared.daemon
        self._old_process = prepared.old_process
        self._ready_timeout = prepared.ready_timeout
        self._served = prepared.served
        self._asleep = prepared.asleep
        self._shutdown = shutdown
        self._api = Api(prepared.daemon, shutdown)
        self._console = Console(prepared.daemon, notify_ready, shutdown.interrupt)
        self._is_detached = False
        self._brought_up = asyncio.Event()

    async def run(self) -> int:
        async with self._serving():
            try:
                await cancel_on(self._shutdown.requested, self._start())
                async with self._console.shown():
                    await self._shutdown.requested.wait()
                    if self._console.is_background:
                        info(f"shutting down: {self._shutdown.reason}")
                    await self._daemon.refresh()
                    self._tell_drain()
                    await cancel_on(self._shutdown.forced, self._daemon.shut_down())
                if not self._leaves_replicas_running:
                    await cancel_on(self._shutdown.forced, self._daemon.orchestrator.stop())
            except Interrupted:
                await self._give_up()
            except errors.ReplicasFailed:
                if self._old_process is None:
                    await self._daemon.orchestrator.stop_started()
                raise
        return self._shutdown.exit_code

    # Private

    async def _start(self) -> None:
        missing: errors.ReplicasFailed | None = None
        if self._old_process is not None:
            missing = await self._take_over(self._old_process)
        elif self._daemon.orchestrator.refusal is None:
            self._console.print_changes()
            await self._open_admin()
            await self._adopt_running()
            output = ReplicaOutput(self._daemon.orchestrator)
            if not self._console.is_background:
                await output.skip()
            await bring_up(self._daemon)
            self._brought_up.set()
            await self._serve()
            async with output.shown(info) if not self._console.is_background else nullcontext():
                missing = await self._wait_until_ready()
            if missing is None:
                for service in self._daemon.services.values():
                    warn_if_unserved(service, info)
        else:
            await self._open_admin()
            await wait_for_stragglers(self._daemon, _FIRST_LOOK_TIMEOUT)  # the kernel's backlog holds the clients
            await self._serve()
            self._console.print_changes(self._daemon.summary())
        await self._console.detach(missing)
        self._is_detached = self._console.is_background

    async def _take_over(self, old_process: OldProcess) -> errors.ReplicasFailed | None:
        """Hot restart: serve beside the old process on the same sockets, then stop it; what is not ready in time.

        Raises ReplicasFailed where the old process serves more services.
        """
        self._console.print_changes()
        services, scales = self._daemon.services, dict(self._daemon.orchestrator.desired)
        for name in self._asleep & services.keys():
            stay_asleep(self._daemon, services[name])
        missing = await self._wait_until_ready()
        if missing and any(not service.pool.ready for name, service in services.items() if name in self._served):
            raise errors.ReplicasFailed(missing.message, "the running composectl goes on with its own options")
        await self._serve()
        self._daemon.lock.take_over()
        await asyncio.to_thread(old_process.stop)
        self._old_process = None
        self._brought_up.set()
        await self._open_admin()
        asked = {name: service.range or scales[name] for name, service in services.items() if not may_sleep_on(service)}
        request = ScaleRequest(asked, ready_timeout_seconds=self._ready_timeout)
        try:
            await scale(self._daemon, request, info)
        except errors.ReplicasFailed as failed:  # what serves goes on
            return missing or failed
        return missing

    async def _open_admin(self) -> None:
        await self._daemon.admin.open(self._api, self._api.update)

    async def _adopt_running(self) -> None:
        """Serve at once with the replicas of an earlier run: Compose takes its time to find them healthy."""
        daemon = self._daemon
        adopted = [
            service
            for name, service in daemon.services.items()
            if await daemon.orchestrator.replicas(name) and not service.unbound
        ]
        await daemon.changes.wait_until(lambda: all(service.pool.ready for service in adopted), _ADOPTION_TIMEOUT)
        for service in adopted:
            if service.pool.ready:
                await service.serve()

    async def _serve(self) -> None:
        for service in self._daemon.services.values():
            if not service.is_served:
                await bind_released_ports(service, self._daemon.orchestrator)
                await service.serve()

    async def _wait_until_ready(self) -> errors.ReplicasFailed | None:
        """What is missing when the time is over."""
        if not any(self._daemon.orchestrator.desired.values()):
            return None
        with waiting_spinner("Waiting for a replica to be ready") as update:
            missing = await until_serving(self._daemon, self._ready_timeout, update)
            if missing is None:
                await wait_for_stragglers(self._daemon, _STRAGGLER_TIMEOUT)
            return missing

    def _tell_drain(self) -> None:
        """Tell what is waited for, where something is."""
        if load := self._daemon.load:
            rest = "; a second Ctrl-C ends now" if self._shutdown.number == signal.SIGINT else ""
            info(f"draining: {load} in flight, for at most {self._daemon.drain_timeout:g} s{rest}")

    async def _give_up(self) -> None:
        """Interrupted while it started, or forced: do not wait any longer, except for clients unless forced."""
        with suppress(Interrupted):
            await cancel_on(self._shutdown.forced, self._daemon.shut_down())
        if self._shutdown.forced.is_set():  # before a replica that is killed ends a response
            await self._daemon.abort()
        if not self._leaves_replicas_running:
            kill = self._shutdown.forced.is_set()
            await self._stop_replicas(kill=kill)
            if kill and self._daemon.orchestrator.refusal is None:
                info(self._daemon.orchestrator.after_kill)

    async def _stop_replicas(self, *, kill: bool) -> None:
        """All of the project, as Compose in the foreground does; for the background only what was started."""
        if self._console.is_background:
            await self._daemon.orchestrator.stop_started(kill=kill)
        else:
            await self._daemon.orchestrator.stop(kill=kill)

    @property
    def _leaves_replicas_running(self) -> bool:
        """In the background, after a request of another terminal, or where the old process goes on.

        Replicas of other machines go on where this one shuts down, which sends SIGTERM.
        """
        if self._daemon.orchestrator.are_elsewhere and self._shutdown.number == signal.SIGTERM:
            return True
        return self._is_detached or not self._shutdown.number or self._old_process is not None

    # While it serves

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        """Run the control API and all background work while entered. Raises what any of it raises."""
        daemon = self._daemon
        with _single_error(), _reopening(daemon.access_log):
            async with asyncio.TaskGroup() as group:
                checks = (service.watch_health() for service in daemon.services.values())
                engine = (daemon.orchestrator.watch(daemon), daemon.diagnosis.watch())
                workers = (daemon.workers.watch(),) if daemon.workers is not None else ()
                others = (*engine, *workers, self._tick(), self._heal(), self._autoscale())
                tasks = [group.create_task(work) for work in (*others, *checks)]
                api = await serve_api(self._api, daemon.lock.listen())
                try:
                    yield
                finally:
                    await daemon.admin.shut()
                    await daemon.abort()
                    await api.cleanup()
                    for task in tasks:
                        task.cancel()

    async def _heal(self) -> None:
        """Until the end begins."""
        await self._brought_up.wait()
        with suppress(Interrupted):
            await cancel_on(self._shutdown.requested, Healer(self._daemon).run())

    async def _autoscale(self) -> None:
        """Until the end begins."""
        await self._brought_up.wait()
        with suppress(Interrupted):
            await cancel_on(self._shutdown.requested, Autoscaling(self._daemon).run())

    async def _tick(self) -> None:
        log = self._daemon.access_log
        monitor = None if log is None else AccessLogMonitor(log)
        await asyncio.sleep(1)
        gc.freeze()  # what is there now stays: looking through all of it for garbage would stop the loop for 20 ms
        async for _ in ticks(1.0):
            forget_lost_readers()
            await self._daemon.tick()
            if monitor is not None and (trouble := monitor.warning()):
                warning(trouble)


class Console:
    """`notify_ready`: ends the wait of the terminal that started a background process; None in the foreground.

    `interrupt`: does what Ctrl-C does.
    """

    def __init__(self, daemon: Daemon, notify_ready: ReadyNotifier | None, interrupt: Callable[[], None]) -> None:
        self._daemon = daemon
        self._notify_ready = notify_ready
        self._interrupt = interrupt
        self.is_background = notify_ready is not None
        self._stdout_is_log = daemon.access_log is not None and daemon.access_log.on_stdout
        self._draws = notify_ready is None and is_live() and not self._stdout_is_log

    def print_changes(self, heading: str = "") -> None:
        """In the foreground without a table: print `heading`, and a line for each change from now on."""
        if self._draws or self.is_background:
            return
        if heading:
            self._print(heading)
        self._daemon.changes.subscribe(lambda change: self._print(f"{change_line(change)}\n"))

    async def detach(self, missing: errors.ReplicasFailed | None = None) -> None:
        """In the background: give the terminal back, with what is `missing`; from now on the log has each change.

        In the foreground the table shows that, and without a table it is printed.
        """
        daemon = self._daemon
        if missing is not None and not self._draws:
            print_error(missing)
        if self._notify_ready is not None:
            name = log_name(daemon.lock.stem, daemon.orchestrator.directory)
            summary = daemon.summary(of_ready=missing is not None)
            await self._notify_ready(summary, name, 0 if missing is None else missing.exit_code)
            if missing is not None:
                print_error(missing)  # into the log
            daemon.changes.subscribe(lambda change: info(transition_line(change)))

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """While entered, the terminal shows the table if it can."""
        if not self._draws:
            yield
            return
        over = asyncio.Event()
        keys = Keys(TableControls(self._daemon.lock.socket, os.getpid()), self._interrupt, ends=True)
        table = asyncio.create_task(show_table(self._daemon.snapshots.json, over, keys=keys))
        try:
            yield
        finally:
            over.set()
            await table

    def _print(self, text: str) -> None:
        if self._stdout_is_log:
            info(text.rstrip("\n"))
        else:
            sys.stdout.write(sanitize_lines(text))
            sys.stdout.flush()


# Private


@contextmanager
def _reopening(log: AccessLog | None) -> Iterator[None]:
    """While entered, SIGUSR1 opens the log anew, as its file may have been renamed; without one, it does nothing."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, log.reopen if log else lambda: None)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@contextmanager
def _single_error() -> Iterator[None]:
    """Raise the one error that a group of tasks ended with, without the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        found, others = group.split(errors.ComposectlError)
        if found is None or others is not None:
            raise
        error: BaseException = found
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
