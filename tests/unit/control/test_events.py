"""Snapshots and changes, as server-sent events over a real socket."""

from __future__ import annotations

import asyncio
import json
import select
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from composectl.balance.backend import Transition
from composectl.balance.phase import Phase
from tests.support.fake_daemon import FakeDaemon
from tests.support.snapshots import service

TIMEOUT = 60.0
CHANGE = Transition(7.0, "echo", 2, "echo-echo-2", Phase.STARTING, Phase.READY, "its port accepts")


class Listening:
    """One reader of the events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def next(self, name: str = "") -> Any:
        """The data of the next event, or of the next one with this name."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                event = (await self.reader.readuntil(b"\n")).strip().decode()
                if event.startswith("event: "):
                    data = (await self.reader.readuntil(b"\n\n")).decode()
                    if event == f"event: {name}" or not name:
                        return json.loads(data.removeprefix("data: "))

    async def end(self) -> None:
        async with asyncio.timeout(TIMEOUT):
            await self.reader.read()


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Listening]:
    """A client that has asked for the events."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=2**20)
    writer.write(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        yield Listening(reader, writer)
    finally:
        writer.transport.abort()


async def test_the_snapshot_comes_at_once_and_when_it_is_another_one(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path, listening(path) as client:
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"Content-Type: text/event-stream\r\n" in head
        assert (await client.next())["services"] == []
        daemon.services = (service(2),)
        assert [backend["number"] for backend in (await client.next())["services"][0]["backends"]] == [1, 2]


async def test_it_comes_every_two_seconds_where_nothing_changes(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path:
        began = asyncio.get_running_loop().time()
        async with listening(path) as client:
            await client.next()
            await client.next()
        assert asyncio.get_running_loop().time() - began >= 1.5


async def test_each_change_comes_as_it_happens(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path, listening(path) as client:
        await client.next("snapshot")
        daemon.changes.publish(CHANGE)
        expected = {"service": "echo", "at": "1970-01-01T00:00:07.000+00:00", "number": 2, "name": "echo-echo-2"}
        expected |= {"from": "starting", "to": "ready", "reason": "its port accepts"}
        assert await client.next("change") == expected


async def test_a_later_reader_gets_a_snapshot_at_once_too(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path, listening(path) as first:
        await first.next("snapshot")
        async with listening(path) as second:
            assert await second.next("snapshot") == daemon.snapshot().as_json()


async def test_the_end_lets_all_readers_go(tmp_path: Path) -> None:
    async with asyncio.timeout(TIMEOUT), AsyncExitStack() as clients:
        async with FakeDaemon(timeout=2 * TIMEOUT).open(tmp_path) as path:
            readers = [await clients.enter_async_context(listening(path)) for _ in range(3)]
            for reader in readers:
                await reader.next("snapshot")
        for reader in readers:
            await reader.end()


async def test_a_client_that_does_not_read_is_cut_and_delays_no_other(tmp_path: Path) -> None:
    daemon = FakeDaemon(timeout=1.0)
    daemon.services = (service(200),)
    async with daemon.open(tmp_path) as path, unread(path) as unread_client, listening(path) as client:
        while not is_over(unread_client):
            daemon.services = (service(200, desired=daemon.services[0].desired + 1),)
            assert (await client.next("snapshot"))["services"]


async def test_one_reader_too_many_is_refused(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path, AsyncExitStack() as clients:
        for _ in range(32):
            assert b" 200 " in await (await clients.enter_async_context(listening(path))).head()
        one_more = await clients.enter_async_context(listening(path))
        assert b" 503 " in await one_more.head()


async def test_another_application_may_send_the_same(tmp_path: Path) -> None:
    async with another_application(FakeDaemon(), tmp_path) as runner, listening(tmp_path / "other.sock") as client:
        assert (await client.next("snapshot"))["project"] == "shop"
        await runner.cleanup()
        await client.end()


async def test_readers_of_one_server_keep_out_none_of_another(tmp_path: Path) -> None:
    daemon = FakeDaemon()
    async with daemon.open(tmp_path) as path, another_application(daemon, tmp_path), AsyncExitStack() as clients:
        for _ in range(32):
            assert b" 200 " in await (await clients.enter_async_context(listening(tmp_path / "other.sock"))).head()
        owner = await clients.enter_async_context(listening(path))
        assert (await owner.next("snapshot"))["project"] == "shop"


async def test_a_place_is_free_again_once_a_reader_has_left(tmp_path: Path) -> None:
    async with FakeDaemon().open(tmp_path) as path, AsyncExitStack() as clients:
        for _ in range(31):
            assert b" 200 " in await (await clients.enter_async_context(listening(path))).head()
        async with listening(path) as last:
            assert b" 200 " in await last.head()

        async def is_let_in() -> bool:
            async with listening(path) as client:
                return b" 200 " in await client.head()

        async with asyncio.timeout(TIMEOUT):
            while not await is_let_in():
                pass


@asynccontextmanager
async def another_application(daemon: FakeDaemon, folder: Path) -> AsyncIterator[web.AppRunner]:
    """The dashboard's events, on `other.sock`."""
    app = web.Application()
    app.router.add_get("/v1/events", daemon.dashboard_events.answer, allow_head=False)
    app.on_shutdown.append(daemon.dashboard_events.close)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "other.sock")).start()
    yield runner
    await runner.cleanup()


@asynccontextmanager
async def unread(path: Path) -> AsyncIterator[socket.socket]:
    """A client that has asked for the events and takes nothing."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(str(path))
        client.send(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.setblocking(False)
        yield client


def is_over(client: socket.socket) -> bool:
    """Whether the other end has closed the connection, whatever is still to be read."""
    poll = select.poll()
    poll.register(client, select.POLLHUP)
    return bool(poll.poll(0))
