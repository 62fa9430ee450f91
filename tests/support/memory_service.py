"""A service on a network in memory and by a clock in memory: backends that are killed and started, clients that ask."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Callable, Coroutine
from math import ceil
from typing import Any, Self

from composectl.balance.backend import Backend, ContainerHealth, Replica, Transition
from composectl.balance.phase import Phase
from composectl.balance.policy import Policy
from composectl.balance.pool import Pool
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.health_check import HealthCheck, HealthMonitor
from composectl.proxy.limits import QueueConfig
from composectl.proxy.queue import RequestQueue
from composectl.proxy.server import HttpServer
from composectl.proxy.upstreams import Upstream
from tests.support.memory_network import MemoryLoop, MemoryTransport
from tests.support.messages import OK

_STEP = 0.01


class ClockedLoop(MemoryLoop):
    """A loop on which no time passes but what `advance` lets pass."""

    _now = 1000.0

    def time(self) -> float:
        return self._now

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, in small steps."""
        for _ in range(ceil(seconds / _STEP)):
            self._now += _STEP
            await asyncio.sleep(0)
            await self.settle()


class MemoryService:
    """`backends` that answer at once while they run; clients wait in the queue for as long as it takes.

    `backlog`: so many connections to a backend can be made in each step of the clock. `changes`: of phases, in order.
    """

    def __init__(self, loop: ClockedLoop, backends: int, policy: Policy, *, backlog: int = 1_000_000) -> None:
        self.loop = loop
        self.changes: list[Phase] = []
        self._backlog = backlog
        self._made: Counter[tuple[str, float]] = Counter()  # connections by host and moment
        self.running = set(range(backends))
        self._sent = 0
        self._answers: list[bytearray] = []
        self._connections: list[MemoryTransport] = []
        self.pool = Pool("echo", policy, loop.time, self._tell)
        self.queue = RequestQueue(self.pool, QueueConfig(1_000_000))
        self._monitor = HealthMonitor(self.pool, 80, HealthCheck())
        self._kept = ConnectionPool(80, own_transports=False)
        self._server = HttpServer(Upstream(self.pool, self._kept, self.queue))
        self._clients: list[MemoryTransport] = []
        loop.answer, loop.has_room = self._accept, self._has_room
        self.pool.sync(map(_replica, range(backends)))
        self._next_sweep = loop.time() + 1

    @property
    def unanswered(self) -> int:
        """How many requests have no answer yet."""
        return self._sent - sum(answer.count(b"HTTP/1.1 ") for answer in self._answers)

    @property
    def statuses(self) -> set[bytes]:
        return {bytes(part[:3]) for answer in self._answers for part in answer.split(b"HTTP/1.1 ")[1:]}

    def kill(self, number: int) -> None:
        """It refuses from now on, and what was open is reset."""
        self.running.discard(number)
        for connection in self._connections:
            if connection.host == _host(number) and not connection.ended:
                connection.reset()

    def start(self, number: int) -> None:
        self.running.add(number)

    async def ask(self, client: int, request: bytes) -> None:
        """Let this client, counted from 0, send a request behind its others."""
        self._say(client, request)
        await self.loop.settle()

    async def ask_at_once(self, clients: int, request: bytes) -> None:
        """Let so many new clients send a request at the same moment."""
        for client in range(len(self._clients), len(self._clients) + clients):
            self._say(client, request)
        await self.loop.settle()

    async def wait(self, seconds: float) -> None:
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            await self.loop.advance(min(end, self._next_sweep) - self.loop.time())
            if self.loop.time() >= self._next_sweep:
                self._next_sweep += 1
                self._server.sweep()
                self.queue.sweep()

    async def __aenter__(self) -> Self:
        self._checking = self.loop.create_task(self._monitor.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._checking.cancel()
        await asyncio.gather(self._checking, return_exceptions=True)
        for client in self._clients:
            client.reset()
        self._kept.close()
        await self.loop.settle()

    # Private

    def _say(self, client: int, request: bytes) -> None:
        while client >= len(self._clients):
            self._connect()
        self._sent += 1
        self._clients[client].say(request)

    def _connect(self) -> None:
        protocol = self._server()
        client, answer = MemoryTransport(self.loop, protocol), bytearray()
        client.listen(answer.extend)
        protocol.connection_made(client)
        self._clients.append(client)
        self._answers.append(answer)

    def _has_room(self, host: str) -> bool:
        self._made[host, self.loop.time()] += 1
        return self._made[host, self.loop.time()] <= self._backlog

    def _accept(self, transport: MemoryTransport) -> None:
        if transport.host not in map(_host, self.running):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self._connections.append(transport)
        transport.listen(lambda data: transport.later(OK * data.count(b"\r\n\r\n")))

    def _tell(self, change: Transition, backend: Backend) -> None:
        self.changes.append(change.after)
        if change.after is Phase.READY:
            self.queue.admit()
            return
        self._kept.forget(backend)
        if not self.pool.ready:
            self._monitor.hurry()


def run(play: Callable[[ClockedLoop], Coroutine[Any, Any, None]]) -> None:
    """Play in memory; what the loop complains of is an error."""
    complaints: list[dict[str, Any]] = []
    loop = ClockedLoop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(play(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert not complaints, complaints


# Private


def _host(number: int) -> str:
    return f"192.0.2.{number + 10}"


def _replica(number: int) -> Replica:
    return Replica(f"{number:064x}", "", number + 1, f"echo-{number + 1}", _host(number), ContainerHealth.HEALTHY)
