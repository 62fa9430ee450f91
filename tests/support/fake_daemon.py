"""What the control API asks, made up, behind a real unix socket."""

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
from composectl.control.commands import BackendRef, CanaryDecision, DaemonInfo, RolloutRequest, ScaleRequest
from composectl.control.events import EventStream, SnapshotCache
from composectl.control.listener_fds import ListenerFds
from composectl.control.metrics_server import MetricsHandler

Order = ScaleRequest | RolloutRequest | CanaryDecision | BackendRef

ABOUT = DaemonInfo("shop", 4711, "/srv/shop", ("0.0.0.0:9090",))


class FakeDaemon:
    """Obeys every order at once; `services` of its snapshot may be replaced."""

    def __init__(self, about: DaemonInfo = ABOUT, patience: float = 10.0) -> None:
        self.about = about
        self.stopped = 0
        self.patience = patience
        self.journal = ChangeFeed()
        self.services: tuple[ServiceView, ...] = ()
        self.events = EventStream(SnapshotCache(self.snapshot).json, self.journal.subscribe, patience)
        self.metrics = MetricsHandler(self.snapshot)
        self.orders: list[Order] = []
        self.is_asked = asyncio.Event()

    def info(self) -> DaemonInfo:
        return self.about

    def listeners(self) -> ListenerFds | None:
        return None

    async def obey(self, order: Order, progress: Callable[[str], None]) -> None:
        self.orders.append(order)
        self.is_asked.set()
        progress("echo-2 draining, 1 in flight")
        await asyncio.sleep(0)
        if "nobody" in getattr(order, "desired", ()):
            raise errors.not_balanced("nobody", ["echo"])
        progress("echo-2 removed")

    scale = rollout = decide_canary = drain = undrain = obey

    def stop(self) -> None:
        self.stopped += 1

    def snapshot(self) -> Snapshot:
        return Snapshot(VERSION, self.about.project, self.services, pid=self.about.pid, access_log=LogView(7, 2))

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Path]:
        path = folder / f"{self.about.project}.sock"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        runner = await serve_api(self, listening, self.patience)
        try:
            yield path
        finally:
            await runner.cleanup()
