"""`--max-in-flight 1` before four backends, and forty clients: the backends say what they had."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from statistics import median

import pytest

from tests.support.busy_backends import BusyBackends
from tests.support.proxy_process import Workspace

BACKENDS, CLIENTS, SECONDS = 4, 40, 0.05
ROUNDS, MOST = 5, 1.03  # times what the backends take without the proxy


class Clients:
    """One at each of the ports, each on a connection that stays."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._numbers = count()
        self._connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def connect(self) -> None:
        self._connections = [await asyncio.open_connection("127.0.0.1", port) for port in self._ports]

    def close(self) -> None:
        for _, writer in self._connections:
            writer.close()

    async def ask(self, times: int) -> float:
        """Each asks so many times, one after the other, and must get a 200; the seconds that all of it took."""
        began = time.perf_counter()
        await asyncio.gather(*(self._ask(reader, writer, times) for reader, writer in self._connections))
        return time.perf_counter() - began

    # Private

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, times: int) -> None:
        for _ in range(times):
            writer.write(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % next(self._numbers))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(2)


def test_no_backend_has_two_at_once_and_the_first_to_come_is_served_first(place: Workspace) -> None:
    backends, times = BusyBackends(SECONDS), 5

    async def play() -> None:
        async with backends.serving(BACKENDS), clients_of_proxy(place, backends) as clients:
            await clients.ask(times)

    asyncio.run(play())
    assert backends.most == 1
    assert len(backends.order) == CLIENTS * times
    assert max(abs(number - turn) for turn, number in enumerate(backends.order)) <= len(backends.order) * 0.05


def test_no_backend_has_two_at_once_from_several_workers_and_none_of_them_starves(place: Workspace) -> None:
    backends, times = BusyBackends(SECONDS), 5

    async def play() -> None:
        async with backends.serving(BACKENDS), clients_of_proxy(place, backends, workers="2") as clients:
            await clients.ask(times)

    asyncio.run(play())
    assert backends.most == 1
    assert len(backends.order) == CLIENTS * times
    assert max(abs(number - turn) for turn, number in enumerate(backends.order)) <= CLIENTS


@pytest.mark.slow
@pytest.mark.serial
def test_its_throughput_is_that_of_the_backends_alone(place: Workspace) -> None:
    backends, times = BusyBackends(0.1), 2
    ratios = []

    async def play() -> None:
        async with backends.serving(BACKENDS), clients_of_proxy(place, backends) as clients:
            alone = Clients([int(address.rpartition(":")[2]) for address in backends.addresses])
            await alone.connect()
            for _ in range(ROUNDS):
                ideal = await alone.ask(times * CLIENTS // BACKENDS)
                ratios.append(await clients.ask(times) / ideal)
            alone.close()

    asyncio.run(play())
    assert backends.most == 1
    assert median(ratios) <= MOST, ratios


@asynccontextmanager
async def clients_of_proxy(place: Workspace, backends: BusyBackends, workers: str = "1") -> AsyncIterator[Clients]:
    """All of them at one proxy, which is there while this is entered."""
    words = [word for address in backends.addresses for word in ("--backend", address)]
    options = ("--listen", "127.0.0.1:0", "--max-in-flight", "1", "--workers", workers, *words)
    proxy = await asyncio.to_thread(place.starts, *options)
    assert await asyncio.to_thread(place.comes_to, *["ready"] * BACKENDS)
    clients = Clients([proxy.port] * CLIENTS)
    await clients.connect()
    yield clients
    clients.close()
    await asyncio.to_thread(proxy.ends_by, signal.SIGINT)
