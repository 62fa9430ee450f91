"""A made-up project behind the real server of the dashboard, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from composectl import errors
from composectl.balance.snapshot import PortView, ServiceView, Snapshot, view_service
from composectl.balance.waiting import Waiting
from composectl.control.dashboard.auth import DashboardAuth
from composectl.control.dashboard.history import History
from composectl.control.dashboard.server import serve_dashboard
from tests.support.chromium import PATIENCE
from tests.support.factories import RecordedPool, replica
from tests.support.fake_daemon import FakeDaemon

TOKEN = "the-token-of-this-test"
SECONDS = 90


class FakeDashboard(FakeDaemon):
    """Three replicas with a past, at a port of this `protocol`.

    `stale_since`, `redirect_http`, `notices`, `waiting` and `others` may be set. Its commands are in `commands`.
    """

    def __init__(self, name: str = "echo", reason: str = "its port accepts", protocol: str = "auto") -> None:
        super().__init__()
        self.protocol = protocol
        self.watched = RecordedPool()
        self.watched.pool.sync(
            replace(replica(number), id=f"{number}" * 64, name=f"{name}-{number}") for number in (1, 2, 3)
        )
        self.watched.eject(3)
        self.watched.changes[-1] = replace(self.watched.changes[-1], reason=reason)
        self.history = History()
        self.stale_since: str | None = None
        self.redirect_http: tuple[str, ...] = ()
        self.notices: tuple[str, ...] = ()
        self.waiting: tuple[Waiting, ...] = ()
        self.others: tuple[Waiting, ...] = ()
        for second in range(SECONDS):
            self._answers(second)
            deque(self.history.sampling([self.watched.pool], 1000.0 + second), maxlen=0)

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), services=(self._view(),), stale_since=self.stale_since, others=self.others)

    async def roll_out(self, service: str, progress: Callable[[str], None]) -> None:
        progress(f"{service}-4 is ready")
        raise errors.rollout_stopped(service, "`echo-4` is not ready after 60 s", ["no such <file>"], 0, 3)

    @contextmanager
    def shown(self) -> Iterator[str]:
        """Serve it meanwhile; the URL, without the token."""
        listening = socket.create_server(("127.0.0.1", 0))
        loop = asyncio.new_event_loop()
        serving = threading.Thread(target=loop.run_forever)
        serving.start()
        auth = DashboardAuth("127.0.0.1", TOKEN)
        opening = serve_dashboard(self, self.history, self.roll_out, auth, [listening])
        server = asyncio.run_coroutine_threadsafe(opening, loop).result(PATIENCE)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            asyncio.run_coroutine_threadsafe(server.cleanup(), loop).result(PATIENCE)
            loop.call_soon_threadsafe(loop.stop)
            serving.join(PATIENCE)
            loop.close()

    # Private

    def _answers(self, second: int) -> None:
        for turn in range(5 + second % 7):
            lease = self.watched.pool.leases.acquire()
            assert lease
            lease.answered(500 if turn + second == 20 else 200, 1000 * (1 + turn))

    def _view(self) -> ServiceView:
        return view_service(
            self.watched.pool,
            policy="least-request",
            listeners=["127.0.0.1:9090"],
            desired=3,
            queued=0,
            port=9090,
            changes=self.watched.changes,
            rollouts={},
            waiting=self.waiting,
            notices=self.notices,
            ports=[PortView(9090, ("127.0.0.1:9090",), self.protocol)],
            redirect_http=self.redirect_http,
        )
