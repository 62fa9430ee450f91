"""A running proxy before scripted backends, and what must be true of it when the curtain falls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from composectl.balance.backend import Backend, ContainerHealth, Replica, Transition
from composectl.balance.phase import Phase
from composectl.balance.policy import Capped, Policy, RoundRobin
from composectl.balance.pool import Pool
from composectl.proxy.access_log import AccessLog
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.field_edits import FieldEdits
from composectl.proxy.guards import make_guards
from composectl.proxy.health_check import HealthCheck, HealthMonitor
from composectl.proxy.http1.client_connection import ClientConnection
from composectl.proxy.limits import ConnectionLimit, GuardConfig, Limits, QueueConfig
from composectl.proxy.listener import bind, serve
from composectl.proxy.listener_context import Connection
from composectl.proxy.protocol import Protocol
from composectl.proxy.queue import RequestQueue
from composectl.proxy.replay import ReplayLimit
from composectl.proxy.routes import Route
from composectl.proxy.server import HttpServer
from composectl.proxy.session_fields import SessionFields
from composectl.proxy.tls_contexts import TlsContexts
from composectl.proxy.upstreams import Upstream
from tests.support.backends import BACKLOG, ScriptedBackend, listen_on
from tests.support.kept_port import keep_port
from tests.support.raw_http import PATIENCE, RawConnection, connect
from tests.support.wait import wait_until_async

_NONE_HELD = QueueConfig(0)
_OPENED = 1_700_000_000.0  # in epoch seconds; no time passes but what the test lets pass


class ProxyFixture:
    """`backends` are the scripted ones, `pool` what the proxy knows of them; `errors` what the loop complained of.

    `untrusted`: the peers that it told of, whose forwarding fields were dropped. `silences`: how often it told of a
    client that says nothing. `troubles`: what it told of its guards. `other`: the pool of another service, if any.
    `woken`: how often something was queued while no backend was ready.
    """

    pool: Pool
    other: Pool
    server: HttpServer
    address: tuple[str, int]
    _runner: web.ServerRunner

    def __init__(self, backends: int = 1, *, receive_buffer: int = 0, backlog: int = BACKLOG) -> None:
        hosts = [f"127.0.0.{number}" for number in range(1, backends + 1)]
        self.backends: Sequence[ScriptedBackend] = listen_on(hosts, receive_buffer=receive_buffer, backlog=backlog)
        self.changes: list[Transition] = []
        self.errors: list[dict[str, Any]] = []
        self.untrusted: list[str] = []
        self.silences = 0
        self.woken = 0
        self.troubles: list[str] = []
        self.later = 0.0  # seconds that have passed since then by the pool's clock
        self._clients: list[RawConnection] = []
        self._monitor: HealthMonitor | None = None

    async def open(
        self,
        policy: Callable[[], Policy] = RoundRobin,
        *,
        identify: bool = True,
        drain_seconds: float = 10.0,
        host: str = "127.0.0.1",
        limits: Limits | None = None,
        connection_limit: ConnectionLimit | None = None,
        queue: QueueConfig = _NONE_HELD,
        name: str = "composectl",
        make_id: Callable[[], bytes] | None = None,
        log: AccessLog | None = None,
        connect_timeout: float = PATIENCE,
        checked: bool = True,
        replay: ReplayLimit | None = None,
        protocol: Protocol = Protocol.AUTO,
        session_fields: SessionFields | None = None,
        tell_number: bool = False,
        max_in_flight: int | None = None,
        tls: TlsContexts | None = None,
        hsts: int = 0,
        guards: GuardConfig | None = None,
        request_edits: FieldEdits | None = None,
        response_edits: FieldEdits | None = None,
        routes: Sequence[Route] = (),
    ) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.errors.append(context))
        self.connections = ConnectionPool(
            self.backends[0].port,
            identify=identify,
            connect_timeout=connect_timeout,
            tell_number=tell_number,
            hsts=hsts,
        )
        sessions = session_fields.sessions if session_fields is not None else None
        chosen = policy()
        cap = None if max_in_flight is None else Capped(chosen, max_in_flight, lambda: self.queue.admit())
        self.pool = Pool("echo", chosen, lambda: _OPENED + self.later, self._tell, sessions, cap)
        self.queue = RequestQueue(self.pool, queue, self._count_queued)
        self.observe(range(len(self.backends)))
        self.guards = make_guards(guards or GuardConfig(), "echo", self.troubles.append)
        upstream = Upstream(
            self.pool,
            self.connections,
            self.queue,
            checked,
            replay or ReplayLimit(2**25),
            session_fields,
            self.guards,
            request_edits,
            response_edits,
        )
        self.server = HttpServer(
            upstream,
            limits or Limits(),
            connection_limit,
            name,
            make_id=make_id,
            log=log,
            on_untrusted=self.untrusted.append,
            protocol=protocol,
            on_silent=self._count_silence,
            routes=routes,
            tls=tls,
        )
        self._protocol = protocol
        self._kept = keep_port(host)
        self.address = self._kept.getsockname()[:2]
        sockets = bind(host, [self.address[1]])
        self._runner = await serve(self.server, sockets, drain_seconds)

    @property
    def backend(self) -> ScriptedBackend:
        """The only one, or the first."""
        return self.backends[0]

    def observe(self, numbers: Sequence[int] | range, *, run: str = "first") -> None:
        """Tell the pool that these backends, counted from 0, run and no others."""
        self.pool.sync(self.replica(number, run) for number in numbers)

    def replica(self, number: int, run: str = "first", report: ContainerHealth = ContainerHealth.HEALTHY) -> Replica:
        host = self.backends[number].host
        return Replica(f"{number:064x}", run, number + 1, f"echo-{number + 1}", host, report)

    def leave(self, number: int) -> None:
        """Tell the pool that this backend is to leave."""
        self.pool.drain(f"{number:064x}", "the test says so")

    def eject(self, number: int) -> None:
        """Tell the pool that this backend has refused as many connections as it takes."""
        backend = self.pool.backends[number]
        for _ in range(2):
            self.pool.leases.connection_refused(backend, "Connection refused")

    @asynccontextmanager
    async def checking(self, check: HealthCheck) -> AsyncIterator[None]:
        """While entered, the backends are checked."""
        self._monitor = HealthMonitor(self.pool, self.backend.port, check)
        task = asyncio.create_task(self._monitor.run())
        try:
            yield
        finally:
            self._monitor = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def phases(self) -> list[Phase]:
        return [backend.phase for backend in self.pool.backends]

    async def client(self, *, receive_buffer: int = 0) -> RawConnection:
        wire = await connect(self.address, receive_buffer=receive_buffer)
        self._clients.append(wire)
        return wire

    async def ask(self, request: bytes) -> tuple[RawConnection, RawConnection]:
        """A client that has sent `request`, and the connection that the first backend got for it."""
        client = await self.client()
        await client.send(request)
        return client, await self.backend.accept()

    def seconds_pass(self, seconds: int) -> None:
        for _ in range(seconds):
            self.server.sweep()
            self.queue.sweep()

    async def shut_down(self) -> None:
        await self._runner.cleanup()

    async def close(self) -> None:
        """All clients leave; whatever they had begun must then end, once, and leave nothing behind."""
        for client in self._clients:
            client.close()
        if self._protocol in (Protocol.TCP, Protocol.TLS) or self.pool.leases.counters().connections_total:
            for backend in self.backends:  # a relayed connection has two directions, and each side ends one
                await backend.die()
        await wait_until_async(lambda: not self.pool.leases.counters().in_flight)
        await self.shut_down()
        for backend in self.backends:
            await backend.close()
        self._kept.close()
        await wait_until_async(lambda: asyncio.all_tasks() <= {asyncio.current_task()})
        assert not self.errors, self.errors

    # Private

    def _count_queued(self) -> None:
        self.woken += 1

    def _count_silence(self) -> None:
        self.silences += 1

    def _tell(self, change: Transition, backend: Backend) -> None:
        self.changes.append(change)
        if change.after is Phase.READY:
            self.queue.admit()
        else:
            self.server.forget(backend)
            if self._monitor is not None and not self.pool.ready:
                self._monitor.hurry()


OpenStage = Callable[..., Awaitable[ProxyFixture]]


def is_in_a_head(connection: Connection) -> bool:
    """Whether a part of a request head has come over it."""
    return isinstance(connection, ClientConnection) and connection._parser.head_since is not None
