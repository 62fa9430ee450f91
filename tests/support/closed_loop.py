"""Clients that each ask again as soon as they are answered, and remember what became of their requests."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

_PATIENCE = 60.0


class ClosedLoop:
    """While entered, so many clients ask for `path`; `answered` counts the 200s, `failed` has everything else."""

    def __init__(self, port: int, clients: int, path: str = "/") -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._port = port
        self._clients = clients
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    # Private

    async def _ask(self) -> None:
        await asyncio.gather(*(self._ask_again() for _ in range(self._clients)))

    async def _ask_again(self) -> None:
        while not self._over.is_set():
            try:
                await self._ask_over_one_connection()
            except (OSError, EOFError, ValueError) as error:
                self.failed.append(repr(error))

    async def _ask_over_one_connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
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
