"""A client that renews its keys of TLS 1.3 by openssl, as the ssl module cannot, and a way that leads back later."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.tls_peers import TlsAuthority
from tests.support.wait import wait_until_async

_HANDSHAKE = 65_536  # bytes that come back at once


class OneWay:
    """Gives on all that a client sends to `target`; what `target` sends after its handshake waits for `back`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.back = asyncio.Event()
        self.given_on = 0
        self._target = target
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[OneWay]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.address: tuple[str, int] = server.sockets[0].getsockname()
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.transport.abort()

    # Private

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(*self._target, limit=_HANDSHAKE)
        self._writers += [here, writer]
        self._tasks += [
            asyncio.create_task(self._give_on(reader, here)),
            asyncio.create_task(self._give_back(there, writer)),
        ]

    async def _give_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
            self.given_on += len(data)
        writer.close()

    async def _give_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(_HANDSHAKE))
        await self.back.wait()
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()


class NewKeys:
    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stderr is not None
        self._stdin, self._stderr = process.stdin, process.stderr

    async def send(self, data: bytes) -> None:
        self._stdin.write(data)
        await self._stdin.drain()

    async def renews_keys(self, way: OneWay) -> None:
        """Ask for new keys of the other side, and send two bytes: without them, TLS would end."""
        await self._sent(b"K\n", way)
        await self._stderr.readuntil(b"KEYUPDATE\n")
        await self._sent(b"x\n", way)

    # Private

    async def _sent(self, line: bytes, way: OneWay) -> None:
        before = way.given_on
        await self.send(line)
        await wait_until_async(lambda: way.given_on > before)


@asynccontextmanager
async def new_keys(address: tuple[str, int], authority: TlsAuthority) -> AsyncIterator[NewKeys]:
    host, port = address
    words = ["s_client", "-connect", f"{host}:{port}", "-servername", "shop.test", "-CAfile", f"{authority.ca}"]
    process = await asyncio.create_subprocess_exec("openssl", *words, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    reading = asyncio.create_task(_read(process.stdout))
    try:
        yield NewKeys(process)
    finally:
        process.kill()
        await process.wait()
        await reading


# Private


async def _read(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass
