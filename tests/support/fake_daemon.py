"""A daemon that is made up, behind the real control API on a unix socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from composectl import errors
from composectl.balance.snapshot import VERSION, LogView, ServiceView, Snapshot
from composectl.changes import ChangeFeed
from composectl.control.api import serve_api
from composectl.control.commands import (
    BackendRef,
    CanaryDecision,
    DaemonInfo,
    LogLine,
    LogsRequest,
    RolloutRequest,
    ScaleRequest,
)
from composectl.control.events import EventStream, SnapshotCache
from composectl.control.listener_fds import ListenerFds
from composectl.control.metrics_server import MetricsHandler

Command = ScaleRequest | RolloutRequest | CanaryDecision | BackendRef

ABOUT = DaemonInfo("shop", 4711, "/srv/shop", ("0.0.0.0:9090",))


class FakeLogs:
    """Prints each of `coming` in a look of its own, and then nothing."""

    def __init__(self, coming: list[LogLine], error: errors.ComposectlError | None = None) -> None:
        self._coming = coming
        self._error = error

    async def new_lines(self) -> list[LogLine]:
        if self._error:
            raise self._error
        return [self._coming.pop(0)] if self._coming else []


class FakeDaemon:
    """Carries out every command at once; `services` of its snapshot may be replaced."""

    def __init__(self, about: DaemonInfo = ABOUT, timeout: float = 10.0) -> None:
        self.about = about
        self.stopped = 0
        self.timeout = timeout
        self.changes = ChangeFeed()
        self.services: tuple[ServiceView, ...] = ()
        self.events = EventStream(SnapshotCache(self.snapshot).json, self.changes.subscribe, timeout)
        without_output = SnapshotCache(self.snapshot, output=False)
        self.dashboard_events = EventStream(without_output.json, self.changes.subscribe, timeout)
        self.metrics = MetricsHandler(self.snapshot, self.refresh)
        self.commands: list[Command] = []
        self.printed: list[LogLine] = []
        self.log_requests: list[LogsRequest] = []
        self.asked = asyncio.Event()

    def info(self) -> DaemonInfo:
        return self.about

    def listeners(self) -> ListenerFds | None:
        return None

    async def carry_out(self, command: Command, progress: Callable[[str], None]) -> None:
        self.commands.append(command)
        self.asked.set()
        progress("echo-2 draining, 1 in flight")
        await asyncio.sleep(0)
        if "missing" in getattr(command, "desired", ()):
            raise errors.not_balanced("missing", ["echo"])
        progress("echo-2 removed")

    def logs(self, request: LogsRequest) -> FakeLogs:
        if request.service == "missing":
            return FakeLogs([], errors.not_balanced("missing", ["echo"]))
        self.log_requests.append(request)
        return FakeLogs(self.printed)

    scale = rollout = decide_canary = drain = undrain = carry_out

    def stop(self) -> None:
        self.stopped += 1

    async def refresh(self) -> None:
        """There are no workers."""

    def snapshot(self) -> Snapshot:
        return Snapshot(VERSION, self.about.project, self.services, pid=self.about.pid, access_log=LogView(7, 2))

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Path]:
        path = folder / f"{self.about.project}.sock"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        server = await serve_api(self, listening, self.timeout)
        try:
            yield path
        finally:
            await server.cleanup()
