"""Clients that each ask again as soon as they are answered, and remember what became of their requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Self

_PATIENCE = 60.0


class ClosedLoop:
    """While entered, so many clients ask for `path`; `answered` counts the 200s, `failed` has everything else.

    `enter` is called first by their thread, to be where the clients are.
    """

    def __init__(
        self,
        port: int,
        clients: int,
        path: str = "/",
        host: str = "127.0.0.1",
        enter: Callable[[], object] = lambda: None,
    ) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._address = (host, port)
        self._enter = enter
        self._clients = clients
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    # Private

    def _run(self) -> None:
        self._enter()
        asyncio.run(self._ask())

    async def _ask(self) -> None:
        await asyncio.gather(*(self._ask_again() for _ in range(self._clients)))

    async def _ask_again(self) -> None:
        while not self._over.is_set():
            try:
                await self._ask_over_one_connection()
            except (OSError, EOFError, ValueError) as error:
                self.failed.append(repr(error))

    async def _ask_over_one_connection(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            for _ in range(100):
                if self._over.is_set():
                    break
                writer.write(self._request)
                async with asyncio.timeout(_PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                    await reader.readexactly(int(length))
                if head.startswith(b"HTTP/1.1 200 "):
                    self.answered += 1
                else:
                    self.failed.append(head.decode())
        finally:
            writer.close()
