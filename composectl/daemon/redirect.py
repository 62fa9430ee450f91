"""The port of a service at which plain HTTP is sent on to HTTPS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress

from composectl.proxy.https_redirect import HttpsRedirect

_BACKLOG = 1024
_CLOSE_SECONDS = 1.0


class RedirectListener:
    """Listens while it is served; the sockets are others' to close."""

    def __init__(self, redirect: HttpsRedirect) -> None:
        self._redirect = redirect
        self._servers: list[asyncio.Server] = []

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._servers.append(await loop.create_server(self._redirect, sock=sock.dup(), backlog=_BACKLOG))

    def sweep(self) -> None:
        """To be called once a second."""
        self._redirect.sweep()

    async def close(self) -> None:
        """Accept no more; what is answered already has a moment to arrive."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._redirect.empty.wait()
        self._redirect.close()
