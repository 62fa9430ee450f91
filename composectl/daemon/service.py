"""One balanced service: its pool, the listeners before it, the probes behind it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from composectl import errors
from composectl.balance.backend import Backend, Transition
from composectl.balance.phase import Phase
from composectl.balance.pool import Pool
from composectl.balance.snapshot import ServiceView, view_service
from composectl.changes import ChangeFeed
from composectl.compose.ports import ANY, Port
from composectl.config.service import BalancingConfig
from composectl.control.commands import Rollout
from composectl.proxy.access_log import AccessLog
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.head import make_request_id
from composectl.proxy.health_check import make_health_check, watch_health
from composectl.proxy.listener import ConnectionLimit, address_of, bind
from composectl.proxy.queue import RequestQueue
from composectl.proxy.server import HttpServer, serve
from composectl.proxy.upstream import Upstream

if TYPE_CHECKING:
    from composectl.compose.client import ComposeProject  # reads YAML, which a proxy of static backends does not


class BalancedService:
    """`ports`: what the service publishes, a listener each; the first one's target is what the probes try.

    `connection_limit` counts the clients of all that is balanced in this process, and `log` hears of their requests.
    `relayed`: backends are behind a relay.
    """

    def __init__(
        self,
        service: str,
        desired: int,
        ports: Sequence[Port],
        balancing: BalancingConfig,
        connection_limit: ConnectionLimit,
        journal: ChangeFeed,
        *,
        log: AccessLog | None = None,
        relayed: bool = False,
    ) -> None:
        self.service = service
        self.desired = desired
        self.pool = Pool(service, balancing.make_policy(time.monotonic), time.time, self._tell)
        self.rollouts = {"done": 0, "failed": 0, "aborted": 0}
        self._queue = RequestQueue(self.pool, balancing.queue)
        self._balancing = balancing
        self._probes = make_health_check(balancing.health_check_path, relayed=relayed)
        self._journal = journal
        self._target = ports[0].target
        self._servers = [(port, self._make_server(port, connection_limit, log)) for port in ports]
        self._sockets: dict[Port, list[socket.socket]] = {}
        self._listeners: list[str] = []
        self._runners: list[web.ServerRunner] = []

    @property
    def listeners(self) -> tuple[str, ...]:
        """Where it is reached, as `host:port`."""
        return tuple(self._listeners)

    def bind(self, port: Port) -> None:
        """Take the host port. Raises PortTaken and ComposectlError."""
        first, last = port.published
        self._sockets[port] = bind(port.host_ip, (0,) if port.published == ANY else range(first, last + 1))
        self._listeners += map(address_of, self._sockets[port])

    def inherit(self, listening: Mapping[str, Sequence[socket.socket]]) -> None:
        """Take those of our ports that are among these listening sockets, by the name that `listening` gives them."""
        for port in self.unbound:
            if sockets := listening.get(self._name(port)):
                self._sockets[port] = list(sockets)
                self._listeners += map(address_of, sockets)

    @property
    def listening(self) -> dict[str, list[socket.socket]]:
        """The listening sockets, by the names of the ports."""
        return {self._name(port): sockets for port, sockets in self._sockets.items()}

    @property
    def unbound(self) -> list[Port]:
        """The ports that are still to be bound."""
        return [port for port, _ in self._servers if port not in self._sockets]

    @property
    def is_served(self) -> bool:
        """Whether clients are accepted."""
        return bool(self._runners)

    @property
    def drain_seconds(self) -> float:
        """How long requests in flight may take to finish, where their backends are given as long to stop."""
        return self._balancing.drain_timeout

    async def serve(self) -> None:
        """Accept clients on what is bound; at the end they have `drain_seconds` to finish, or less (`Pool.grace`)."""
        self._runners = [await serve(server, self._sockets[port], self.drain_seconds) for port, server in self._servers]

    async def part(self, seconds: float) -> None:
        """Accept no more, and send nobody away before one more response, for so long: another process goes on."""
        for site in [site for runner in self._runners for site in runner.sites]:
            await site.stop()
        await asyncio.gather(*(server.drain_connections(seconds) for _, server in self._servers))

    async def drain(self) -> None:
        """Accept no more, and wait for what is in flight."""
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))

    async def cut(self) -> None:
        """End all connections now."""
        await asyncio.gather(*(server.close_all() for _, server in self._servers))

    def close(self) -> None:
        """Free the ports."""
        for sockets in self._sockets.values():
            for one in sockets:
                one.close()

    async def watch_health(self) -> None:
        """Probe the backends, for ever."""
        await watch_health(self.pool, self._target, self._probes)

    def sweep(self) -> None:
        """To be called once a second."""
        for _, server in self._servers:
            server.sweep()
        self._queue.sweep()
        self.pool.sample()
        self._journal.wake()  # what is in flight at a backend in maintenance is waited for, too

    def view(self) -> ServiceView:
        """The picture of this service."""
        return view_service(
            self.pool,
            policy=self._balancing.policy,
            listeners=self.listeners,
            wanted=self.desired,
            held=self._queue.queued,
            port=self._target,
            changes=self._journal.changes,
            rollouts=self.rollouts,
        )

    # Private

    def _name(self, port: Port) -> str:
        return f"{self.service} {port}"

    def _make_server(self, port: Port, connection_limit: ConnectionLimit, log: AccessLog | None) -> HttpServer:
        upstream = Upstream(
            self.pool, ConnectionPool(port.target, identify=self._balancing.backend_header), self._queue
        )
        make_id = make_request_id if self._balancing.request_id else None
        return HttpServer(upstream, self._balancing.limits, connection_limit, make_id=make_id, log=log)

    def _tell(self, change: Transition, backend: Backend) -> None:
        if change.after is Phase.READY:
            self._queue.admit()
        else:
            for _, server in self._servers:
                server.upstream.connections.forget(backend)
        self._journal.publish(change)


@dataclass(frozen=True, slots=True)
class PausedCanary:
    """`order`: the rollout that began with it; `compose_project`: what it is of; `old`: the replicas to remove."""

    service: str
    order: Rollout
    compose_project: ComposeProject
    old: frozenset[str]


def check_no_canary(status: Mapping[str, Any]) -> None:
    """Refuse what does not go with a canary, by the `status` of the running composectl. Raises `canary_held`."""
    for service in status["services"]:
        if any(backend.get("canary") for backend in service["backends"]):
            raise errors.canary_held(service["service"])
