"""The data plane of one service in one process: a server for each port, over one pool and one request queue."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aiohttp import web

from composectl.balance.backend import Backend
from composectl.balance.load import LoadMeter
from composectl.balance.phase import Phase
from composectl.balance.pool import Pool
from composectl.compose.ports import Port
from composectl.config.service import BalancingConfig
from composectl.daemon.routing import Routing
from composectl.daemon.tls import ends_tls
from composectl.proxy.access_log import AccessLog
from composectl.proxy.backend_tls import BackendTls
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.field_edits import make_edits
from composectl.proxy.guards import make_guards
from composectl.proxy.limits import ConnectionLimit
from composectl.proxy.listener import serve
from composectl.proxy.protocol import BY_CONNECTION
from composectl.proxy.protocol import Protocol as PortProtocol
from composectl.proxy.queue import RequestQueue
from composectl.proxy.request_id import make_request_id
from composectl.proxy.routes import Route
from composectl.proxy.seats import Seats
from composectl.proxy.server import HttpServer, make_upstreams
from composectl.proxy.session_fields import SessionFields
from composectl.proxy.tls_contexts import TlsContexts
from composectl.proxy.upstreams import Upstream, Upstreams


class Plane(Protocol):
    """The data plane of a service, here or in workers."""

    @property
    def is_served(self) -> bool: ...

    @property
    def queued(self) -> int:
        """How many requests wait for a backend."""

    def integrate(self, at: float) -> float:
        """The time integral of what is in flight and queued, until now, `at` in seconds: in request-seconds."""

    def recognised(self, port: Port) -> Mapping[str, int]:
        """The numbers of connections to this port, by what came."""

    async def serve(self, listening: Mapping[Port, Sequence[socket.socket]]) -> None:
        """Accept clients on the sockets of each port."""

    async def drain_connections(self, seconds: float) -> None:
        """Accept no more, and for so long close a connection only after one more response: another process goes on."""

    async def shut_down(self) -> None:
        """Accept no more, and wait for what is in flight."""

    async def abort(self) -> None:
        """End all connections of clients."""

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        """End what is in flight at this backend, with a reset, as failed: see `Connection.cut`."""

    def begin_canary(self, old: Collection[str], share: float) -> None:
        """To be called after that of the leases."""

    def end_canary(self) -> None:
        """To be called after that of the leases."""

    def release_sessions(self, backend: Backend) -> None:
        """To be called after that of the sessions."""

    def phase_changed(self, backend: Backend) -> None:
        """To be called after each change of a phase."""

    def sweep(self) -> None:
        """To be called once a second."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the data planes of a process share: `connection_limit` counts the clients of all of them.

    `processes`: how many serve, this one among them.
    """

    connection_limit: ConnectionLimit
    access_log: AccessLog | None = None
    processes: int = 1


@dataclass(frozen=True, slots=True)
class PlaneHooks:
    """`on_untrusted` and `on_silent`: see `ListenerContext`; the latter gets the port.

    `on_notice` gets a sentence that is of use for a while.
    """

    on_untrusted: Callable[[str], None]
    on_silent: Callable[[Port], None]
    on_notice: Callable[[str], None]


class DataPlane:
    """`protocols`: those of the ports, of which the first one's target is checked.

    `hosts`: the servers of other services whose listeners these ports share. `tls`: of the ports where it ends.
    `on_queued`, `seats` and `since`: see `RequestQueue`. Raises ComposectlError for guards that cannot be set up.
    """

    def __init__(
        self,
        pool: Pool,
        protocols: Mapping[Port, PortProtocol],
        balancing: BalancingConfig,
        shared: Shared,
        session_fields: SessionFields | None,
        hooks: PlaneHooks,
        routing: Routing,
        hosts: Mapping[Port, HttpServer],
        tls: TlsContexts | None = None,
        backend_tls: BackendTls | None = None,
        on_queued: Callable[[], None] = lambda: None,
        seats: Seats | None = None,
        since: Seats | None = None,
    ) -> None:
        self._pool = pool
        self._balancing = balancing
        self._shared = shared
        self._session_fields = session_fields
        self._hooks = hooks
        self._backend_tls = backend_tls
        self._queue = RequestQueue(pool, balancing.queue, on_queued, seats, since)
        self._meter = LoadMeter()
        self._guards = make_guards(balancing.guards, pool.service, hooks.on_notice, shared.processes)
        checked = next(iter(protocols)).target
        self._hosts = hosts
        self._shared_upstreams: list[Upstreams] = []
        self._servers: dict[Port, HttpServer] = {}
        for port, protocol in protocols.items():
            ends = ends_tls(balancing.tls, port, protocol)
            hsts = balancing.tls.hsts if ends else None
            upstream = self._make_upstream(port, protocol, hsts, checked=port.target == checked)
            if port in hosts:
                upstreams = make_upstreams(upstream, balancing.limits, speaks_http1=ends)
                hosts[port].share(upstreams, routing.routes, balancing.drain_timeout)
                self._shared_upstreams.append(upstreams)
            else:
                self._servers[port] = self._make_server(
                    port, upstream, protocol, tls if ends else None, routing.of(port)
                )
        self._runners: list[web.ServerRunner] = []
        self._is_served = False

    @property
    def is_served(self) -> bool:
        return self._is_served

    def server_of(self, port: Port) -> HttpServer:
        """The server of a port that is not another service's."""
        return self._servers[port]

    @property
    def queued(self) -> int:
        return self._queue.queued

    def integrate(self, at: float) -> float:
        self._meter.sample(at, self._pool.leases.in_flight + self._queue.queued)
        return self._meter.integral

    def recognised(self, port: Port) -> dict[str, int]:
        return dict(self._servers[port].context.recognised) if port in self._servers else {}

    async def serve(self, listening: Mapping[Port, Sequence[socket.socket]]) -> None:
        seconds = self._balancing.drain_timeout
        self._runners = [await serve(server, list(listening[port]), seconds) for port, server in self._servers.items()]
        self._is_served = True

    async def drain_connections(self, seconds: float) -> None:
        for site in [site for runner in self._runners for site in runner.sites]:
            await site.stop()
        await asyncio.gather(*(server.drain_connections(seconds) for server in self._servers.values()))

    async def shut_down(self) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))

    def cut(self, backend: Backend, *, spare_streams: bool = False) -> None:
        for server in (*self._servers.values(), *self._hosts.values()):
            server.cut(backend, spare_streams=spare_streams)

    async def abort(self) -> None:
        await asyncio.gather(*(server.close_all() for server in self._servers.values()))

    def begin_canary(self, old: Collection[str], share: float) -> None:
        """The pool has it."""

    def end_canary(self) -> None:
        """The pool has none."""

    def release_sessions(self, backend: Backend) -> None:
        """The pool has released them."""

    def phase_changed(self, backend: Backend) -> None:
        if backend.phase is Phase.READY:
            self._queue.admit()
        else:
            for server in self._servers.values():
                server.forget(backend)
            for upstreams in self._shared_upstreams:
                upstreams.forget(backend)

    def admit(self) -> None:
        """A backend that was full has room."""
        self._queue.admit()

    def sweep(self) -> None:
        for server in self._servers.values():
            server.sweep()
        self._queue.sweep()
        if self._guards is not None:
            self._guards.sweep()

    # Private

    def _make_upstream(self, port: Port, protocol: PortProtocol, hsts: int | None, *, checked: bool) -> Upstream:
        balancing = self._balancing
        connections = ConnectionPool(
            port.target,
            identify=balancing.backend_header,
            tell_number=balancing.replica_header,
            hsts=hsts,
            tls=None if protocol in BY_CONNECTION else self._backend_tls,
        )
        return Upstream(
            self._pool,
            connections,
            self._queue,
            checked=checked,
            session_fields=self._session_fields,
            guards=self._guards,
            request_edits=make_edits(balancing.headers.request_header),
            response_edits=make_edits(balancing.headers.response_header),
        )

    def _make_server(
        self, port: Port, upstream: Upstream, protocol: PortProtocol, tls: TlsContexts | None, routes: Sequence[Route]
    ) -> HttpServer:
        return HttpServer(
            upstream,
            self._balancing.limits,
            self._shared.connection_limit,
            make_id=make_request_id if self._balancing.request_id else None,
            log=self._shared.access_log,
            on_untrusted=self._hooks.on_untrusted,
            protocol=protocol,
            on_silent=partial(self._hooks.on_silent, port),
            tls=tls,
            routes=routes,
        )
