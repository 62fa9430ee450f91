"""HTTP servers on loopback that take a time for each request, and say how many they had at once, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.backends import BACKLOG

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class BusyBackends:
    """`most`: at once at one of them; `order`: the numbers in the paths, as they began.

    `seconds`: for each request. `addresses`: `host:port`.
    """

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self.order: list[int] = []
        self.addresses: list[str] = []
        self.seconds = seconds

    @asynccontextmanager
    async def serving(self, count: int) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for _ in range(count):
                server = await asyncio.start_server(_Server(self), "127.0.0.1", 0, backlog=BACKLOG)
                await stack.enter_async_context(server)
                host, port = server.sockets[0].getsockname()
                self.addresses.append(f"{host}:{port}")
            yield


class _Server:
    def __init__(self, backends: BusyBackends) -> None:
        self._backends = backends
        self._at_once = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except asyncio.IncompleteReadError:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        backends = self._backends
        self._at_once += 1
        backends.most = max(backends.most, self._at_once)
        backends.order.append(int(head.split(b" ")[1][1:]))
        await asyncio.sleep(backends.seconds)
        self._at_once -= 1
        writer.write(_OK)
