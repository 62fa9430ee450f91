"""Clients of HTTP/2 over TLS that ask at a steady rate, and remember what became of each request."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from types import TracebackType

from tests.support.http2_client import GET, Http2Client
from tests.support.tls_peers import TlsWire, connect_tls

_CLIENTS = 10


class HttpsLoad:
    """So many requests a second for as long as the `with` block lasts; each client goes on after its GOAWAY anew.

    `failed` has what went wrong, `serials` the certificates that were seen.
    """

    def __init__(self, port: int, context: ssl.SSLContext, name: str, per_second: int) -> None:
        self.answered = 0
        self.failed = Counter[str]()
        self.serials = set[str]()
        self._address = ("127.0.0.1", port)
        self._context = context
        self._name = name
        self._interval = _CLIENTS / per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_all()))

    def __enter__(self) -> HttpsLoad:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    # Private

    async def _ask_all(self) -> None:
        await asyncio.gather(*(self._ask(number) for number in range(_CLIENTS)))

    async def _ask(self, number: int) -> None:
        await asyncio.sleep(self._interval * number / _CLIENTS)
        client, wire = await self._connect()
        asked = 0
        due = asyncio.get_running_loop().time()
        while not self._over.is_set():
            due += self._interval
            await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
            try:
                heard = await client.answer(GET)
                self._count(heard.status, heard.ended)
            except (OSError, AssertionError) as error:
                self.failed[repr(error)] += 1
            asked += 1
            if client.goaway is not None or asked % 20 == 0 or self.failed:
                wire.close()
                client, wire = await self._connect()
        wire.close()

    async def _connect(self) -> tuple[Http2Client, TlsWire]:
        wire = await connect_tls(self._address, self._context, self._name)
        self.serials.add(wire.serial)
        client = Http2Client(wire)
        await client.start()
        return client, wire

    def _count(self, status: int, ended: bool) -> None:
        if status == 200 and ended:
            self.answered += 1
        else:
            self.failed[f"status {status}"] += 1
