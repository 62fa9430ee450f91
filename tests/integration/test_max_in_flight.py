"""`--max-in-flight 1` before four backends, and forty clients: the backends say what they had."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass, field
from itertools import count

from tests.support.busy_backends import BusyBackends
from tests.support.proxy_process import Workspace

BACKENDS, CLIENTS, REQUESTS, SECONDS = 4, 40, 5, 0.05
IDEAL = CLIENTS * REQUESTS * SECONDS / BACKENDS


@dataclass
class Clients:
    """Each asks `REQUESTS` times, one after the other; `statuses`: of all answers."""

    port: int
    statuses: list[bytes] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    async def ask(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for _ in range(REQUESTS):
            writer.write(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % next(self.numbers))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            self.statuses.append(head.split(b" ")[1])
        writer.close()


def test_no_backend_has_two_at_once_and_the_first_to_come_is_served_first(place: Workspace) -> None:
    backends = BusyBackends(SECONDS)
    took = asyncio.run(play(place, backends, "1"))
    assert backends.most == 1
    total = CLIENTS * REQUESTS
    assert max(abs(number - turn) for turn, number in enumerate(backends.order)) <= total * 0.05
    assert took <= IDEAL * 1.25  # on a machine that has other things to do


def test_no_backend_has_two_at_once_from_several_workers_and_none_of_them_starves(place: Workspace) -> None:
    backends = BusyBackends(SECONDS)
    took = asyncio.run(play(place, backends, "2"))
    assert backends.most == 1
    assert max(abs(number - turn) for turn, number in enumerate(backends.order)) <= CLIENTS
    assert took <= IDEAL * 1.25


async def play(place: Workspace, backends: BusyBackends, workers: str) -> float:
    """The seconds that all requests took."""
    async with backends.serving(BACKENDS):
        words = [word for address in backends.addresses for word in ("--backend", address)]
        options = ("--listen", "127.0.0.1:0", "--max-in-flight", "1", "--workers", workers, *words)
        proxy = await asyncio.to_thread(place.starts, *options)
        assert await asyncio.to_thread(place.comes_to, *["ready"] * BACKENDS)
        clients = Clients(proxy.port)
        began = time.perf_counter()
        await asyncio.gather(*(clients.ask() for _ in range(CLIENTS)))
        took = time.perf_counter() - began
        assert clients.statuses == [b"200"] * CLIENTS * REQUESTS
        await asyncio.to_thread(proxy.ends_by, signal.SIGINT)
    return took
