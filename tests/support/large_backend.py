"""A backend for tools that ask a lot: a few lines of HTTP on loopback, on a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from typing import cast

import uvloop

from tests.support.backends import BACKLOG

LARGE = b"x" * 1_000_000
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")


class LargeBackend:
    """Answers every request once its body is whole; `/large` with a megabyte."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*listening.getsockname())
        serving = self._loop.create_server(_Connection, sock=listening, backlog=BACKLOG)
        self._server = self._loop.run_until_complete(serving)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        """Listen no more, and hang up."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        self._loop.close()


# Private


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._heard, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._heard) < whole:
                return
            body = LARGE if self._heard.startswith(b"GET /large ") else b"hello"
            del self._heard[:whole]
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
