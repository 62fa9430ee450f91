"""ConnectionPool to backends: made in time, kept for the next request, closed when their backend leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from composectl.balance.backend import join_address
from composectl.balance.phase import Phase
from composectl.proxy.http1.backend_connection import BackendConnection
from composectl.proxy.sockets import CAN_TELL, as_protocol, open_files

if TYPE_CHECKING:
    from composectl.balance.backend import Backend

_CONNECT_TIMEOUT = 1.0
# Below the 5 s after which Node.js, the least patient of the usual servers, closes an idle connection.
_IDLE_SECONDS = 4
_KEPT_PER_BACKEND = 256
_HASTY_SECONDS = 60
# Of all files that may be open, this part is for connections that are kept.
KEPT_PART = 8


class ConnectionPool:
    """The connections to one port of the backends of one service; the one used last is used next."""

    def __init__(self, port: int | None, *, identify: bool = True) -> None:
        self.port = port
        self._identify = identify
        self._kept: dict[Backend, list[BackendConnection]] = {}
        self._hasty: dict[Backend, int] = {}  # when it closed one of them within a second
        self._tick = 0
        self._most = open_files() // KEPT_PART

    def take(self, backend: Backend) -> BackendConnection | None:
        """A kept connection to this backend, if there is one."""
        kept = self._kept.get(backend)
        while kept:
            outbound = kept.pop()
            if not outbound.transport.is_closing():
                return outbound
        return None

    def take_recent(self, backend: Backend) -> BackendConnection | None:
        """One for what must not be sent twice: used this second, by a backend that does not close so soon."""
        kept = self._kept.get(backend)
        if not (CAN_TELL and kept) or kept[-1].idle_since != self._tick:
            return None
        if self._hasty.get(backend, -_HASTY_SECONDS) > self._tick - _HASTY_SECONDS:
            return None
        return self.take(backend)

    async def dial(self, backend: Backend) -> BackendConnection:
        """A new connection to this backend. Raises OSError, TimeoutError among them."""
        host, port = backend.replica.address(self.port)
        identity = f"X-Internal-Service: {join_address(host, port)}\r\n".encode() if self._identify else b""
        outbound = BackendConnection(self, backend, identity)
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            await asyncio.get_running_loop().create_connection(lambda: as_protocol(outbound), host, port)
        if backend.phase is Phase.GONE:  # and somebody else has its address by now
            outbound.drop()
            raise ConnectionAbortedError("its container is gone")
        return outbound

    def keep(self, outbound: BackendConnection) -> None:
        """Keep a connection for the next request, unless its backend is on its way out."""
        if outbound.backend.phase is not Phase.READY:
            outbound.close()
            return
        outbound.idle_since = self._tick
        kept = self._kept.get(outbound.backend)
        if kept is None:
            kept = self._kept[outbound.backend] = []
        kept.append(outbound)
        if len(kept) > _KEPT_PER_BACKEND or len(kept) * len(self._kept) > self._most:
            kept.pop(0).close()

    def lost(self, outbound: BackendConnection) -> None:
        """A kept connection was closed by its backend."""
        kept = self._kept.get(outbound.backend, [])
        if outbound in kept:
            kept.remove(outbound)
            if outbound.idle_since == self._tick:
                self._hasty[outbound.backend] = self._tick

    def forget(self, backend: Backend) -> None:
        """Close what is kept to a backend: its address may soon be somebody else's."""
        self._hasty.pop(backend, None)
        for outbound in self._kept.pop(backend, ()):
            outbound.close()

    def sweep(self) -> None:
        """Close what was idle for too long; to be called once a second."""
        self._tick += 1
        self._most = open_files() // KEPT_PART
        for kept in self._kept.values():
            while kept and self._tick - kept[0].idle_since > _IDLE_SECONDS:
                kept.pop(0).close()

    def close(self) -> None:
        """Close all that is kept."""
        for backend in list(self._kept):
            self.forget(backend)
