"""The proxy on a network in memory, with two backends, and what must be true of it when the curtain falls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

from composectl.balance.backend import ContainerHealth, Replica
from composectl.balance.policy import RoundRobin
from composectl.balance.pool import Pool
from composectl.proxy.access_log import AccessLog
from composectl.proxy.access_log_format import COMBINED, JSON, AccessRecord, LineStyle, line_of
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.limits import QueueConfig
from composectl.proxy.queue import RequestQueue
from composectl.proxy.request_id import make_request_id
from composectl.proxy.server import HttpServer
from composectl.proxy.upstreams import Upstream
from tests.support.memory_network import MemoryLoop, MemoryTransport

LOOP = MemoryLoop()
STYLES = (LineStyle(COMBINED, query=True), LineStyle(JSON, query=True))


def lines_of(entry: AccessRecord) -> str:
    """One of each style, and each of them must be one."""
    lines = [line_of(entry, style, 0) for style in STYLES]
    assert all(line.endswith("\n") and line[:-1].isprintable() for line in lines), lines
    return "".join(lines)


class Unwritten:
    """Keeps no lines."""

    waiting = lost = written = 0
    last_error = ""

    def write(self, lines: list[str]) -> None:
        pass

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


class MemoryProxy:
    """One client at `client`, whose bytes come out in `received`; `dialled` are the connections to backends."""

    def __init__(self, loop: MemoryLoop, answer: Callable[[MemoryTransport], None]) -> None:
        self.loop = loop
        self.dialled: list[MemoryTransport] = []
        self.received = bytearray()
        self._answer = answer
        loop.answer = self._accept
        self._pool = Pool("echo", RoundRobin(), time.time, lambda change, backend: None)
        self._pool.sync(_replica(number) for number in (1, 2))
        self._log = AccessLog(Unwritten(), lines_of)
        upstream = Upstream(
            self._pool, ConnectionPool(80, own_transports=False), RequestQueue(self._pool, QueueConfig())
        )
        self.server = HttpServer(upstream, name="composectl", make_id=make_request_id, log=self._log)
        protocol = self.server()
        self.client = MemoryTransport(loop, protocol)
        self.client.listen(self.received.extend)
        protocol.connection_made(self.client)

    async def send(self, segments: Sequence[bytes], *, in_haste: bool) -> None:
        """Let the client send these segments; in haste it does not wait for what becomes of one before the next."""
        for segment in segments:
            self.client.say(segment)
            await (asyncio.sleep(0) if in_haste else self.loop.settle())
        await self.loop.settle()

    async def leave(self) -> None:
        """The client goes: whatever was begun must then end, once, and leave nothing behind."""
        self.client.reset()
        self.client.resume_reading()
        await self.loop.settle()
        assert self.client.ended
        assert not self._pool.leases.counters().in_flight, "a lease was not ended"
        self.server.close_backend_connections()
        await self.loop.settle()
        assert all(transport.ended for transport in self.dialled), "a connection to a backend was left open"
        self._log.flush()
        assert not self._log.last_error
        assert asyncio.all_tasks() <= {asyncio.current_task()}, "a task was left"

    # Private

    def _accept(self, transport: MemoryTransport) -> None:
        self._answer(transport)
        self.dialled.append(transport)


def run(play: Coroutine[Any, Any, None]) -> None:
    """Play in memory; what the loop complains of is an error."""
    complaints: list[dict[str, Any]] = []
    LOOP.set_exception_handler(lambda _, context: complaints.append(context))
    asyncio.set_event_loop(LOOP)
    try:
        LOOP.run_until_complete(play)
    finally:
        asyncio.set_event_loop(None)
    assert not complaints, complaints


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """`data` in segments of these sizes, which are begun anew when they are used up; none: all at once."""
    segments, turn = [], 0
    while data:
        size = sizes[turn % len(sizes)] if sizes else len(data)
        segments.append(data[:size])
        data, turn = data[size:], turn + 1
    return segments


def sizes_of(choice: bytes) -> list[int]:
    """Sizes of segments from one byte: `@` stands for all at once, `A` for byte by byte, others for all kinds."""
    number = choice[0] - ord("@") if choice else 0
    random = Random(number)
    return {0: [], 1: [1]}.get(number) or [random.choice((1, 2, 3, 10, 50, 400)) for _ in range(10) if number]


# Private


def _replica(number: int) -> Replica:
    return Replica(f"{number:064x}", "", number, f"echo-{number}", f"192.0.2.{number + 10}", ContainerHealth.HEALTHY)
