"""Fifty kill -9 of workers under load: each takes with it what it had in flight, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from tests.integration.test_workers import HOST, descriptors_of, inode_at_other_end, pids_of, workers_of
from tests.support.busy_backends import BusyBackends
from tests.support.proxy_process import Workspace
from tests.support.wait import wait_until_async

BACKENDS, WORKERS, CLIENTS, KILLS = 4, 6, 24, 50
CAP = 2
_numbers = count()


@dataclass
class Outcomes:
    """`lost`: the processes that had the connection of a request which got no answer."""

    answered: int = 0
    others: list[bytes] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


class Client:
    """Asks again and again on a connection of which it knows the worker, and connects anew when that has ended."""

    def __init__(self, place: Workspace, port: int, outcomes: Outcomes) -> None:
        self._place = place
        self._port = port
        self._outcomes = outcomes
        self.is_over = False

    async def run(self) -> None:
        while not self.is_over:
            reader, writer = await asyncio.open_connection(HOST, self._port)
            with suppress(ConnectionError):
                await self._ask(reader, writer, await self._worker(reader, writer))
            writer.close()

    # Private

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, worker: int) -> None:
        while worker and not self.is_over:
            try:
                status = await ask(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                self._outcomes.lost.append(worker)
                return
            if status == b"200":
                self._outcomes.answered += 1
            else:
                self._outcomes.others.append(status)

    async def _worker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """The one that has accepted this connection, 0 where it has ended meanwhile."""
        sock: socket.socket = writer.get_extra_info("socket")
        while not reader.at_eof() and not self.is_over:
            with suppress(AssertionError):  # it has just ended
                name = f"socket:[{inode_at_other_end(sock)}]"
                if pid := next((pid for pid in pids_of(self._place) if name in descriptors_of(pid)), 0):
                    return pid
            await asyncio.sleep(0.02)
        return 0


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """One request; the status of its answer."""
    writer.write(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % next(_numbers))
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)
    return head.split(b" ")[1]


async def ask_once(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    status = await ask(reader, writer)
    writer.close()
    return status


@pytest.mark.slow
@pytest.mark.one_process
def test_of_fifty_kills_under_load_each_takes_only_what_that_worker_had(place: Workspace) -> None:
    outcomes, killed = asyncio.run(play(place, BusyBackends(0.005)))
    assert len(killed) == KILLS
    assert outcomes.others == []
    assert set(outcomes.lost) <= set(killed)
    assert max(map(outcomes.lost.count, outcomes.lost), default=0) <= CLIENTS
    assert outcomes.answered > 20 * KILLS


async def play(place: Workspace, backends: BusyBackends) -> tuple[Outcomes, list[int]]:
    async with backends.serving(BACKENDS):
        words = [word for address in backends.addresses for word in ("--backend", address)]
        options = ("--listen", f"{HOST}:0", "--workers", str(WORKERS), "--max-in-flight", str(CAP), *words)
        proxy = await asyncio.to_thread(place.starts, *options)
        assert await asyncio.to_thread(place.comes_to, *["ready"] * BACKENDS)
        outcomes = Outcomes()
        clients = [Client(place, proxy.port, outcomes) for _ in range(CLIENTS)]
        async with asyncio.TaskGroup() as running:
            for client in clients:
                running.create_task(client.run())
            killed = await kill(place, outcomes)
            for client in clients:
                client.is_over = True
        await all_places_are_there(place, proxy.port, backends)
        await asyncio.to_thread(proxy.ends_by, signal.SIGINT)
    return outcomes, killed


async def kill(place: Workspace, outcomes: Outcomes) -> list[int]:
    """One after the other, at random; before each, some requests are answered."""
    random, killed = Random(1), list[int]()
    while len(killed) < KILLS:
        before = outcomes.answered
        await wait_until_async(lambda: outcomes.answered >= before + 20)  # noqa: B023
        if living := [worker["pid"] for worker in workers_of(place) if worker["pid"] not in (0, *killed)]:
            killed.append(random.choice(living))
            os.kill(killed[-1], signal.SIGKILL)
    await wait_until_async(lambda: all(pid not in (0, *killed) for pid in pids_of(place)), within=30)
    return killed


async def all_places_are_there(place: Workspace, port: int, backends: BusyBackends) -> None:
    """Each backend gets as many at once as it may, and never more."""
    await wait_until_async(lambda: place.status()["totals"]["in_flight"] == 0)
    backends.seconds, backends.most = 1.0, 0
    asked = [asyncio.create_task(ask_once(port)) for _ in range(BACKENDS * CAP + CLIENTS)]
    await wait_until_async(lambda: place.status()["totals"]["in_flight"] == BACKENDS * CAP)
    backends.seconds = 0.005
    assert set(await asyncio.gather(*asked)) == {b"200"}
    assert backends.most == CAP
