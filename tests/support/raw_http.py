"""One end of a raw TCP connection: nothing is read before it is asked for, and every byte is kept."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable

PATIENCE = 60.0  # seconds until what hangs is given up
_PIECE = 64 * 1024


class ConnectionEnded(AssertionError):
    """The other side ended the connection before it had said what was awaited."""


class RawConnection:
    """`received` holds every byte that was read; the methods that read take from where the last one stopped."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.received = bytearray()
        self._taken = 0
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._loop.sock_sendall(self.sock, data)

    async def send_in_pieces(self, data: bytes, size: int = 1) -> None:
        """Send pieces of this size, by default single bytes, in segments of their own, one turn after the other."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), size):
            await self.send(data[at : at + size])
            await asyncio.sleep(0)

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`."""
        while (at := self.received.find(mark, self._taken)) < 0:
            await self._read_more()
        return self._take(at + len(mark) - self._taken)

    async def exactly(self, size: int) -> bytes:
        while len(self.received) - self._taken < size:
            await self._read_more()
        return self._take(size)

    async def head(self) -> bytes:
        return await self.until(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """What comes until the other side ends the connection, by whatever means."""
        with contextlib.suppress(ConnectionResetError):
            while await self._read():
                pass
        return self._take(len(self.received) - self._taken)

    async def was_reset(self) -> bool:
        """Whether the other side ended the connection, whatever came before, with a reset and not in order."""
        try:
            while await self._read():
                pass
        except ConnectionResetError:
            return True
        return False

    async def stream(self) -> AsyncIterator[bytes]:
        """The pieces as they come, kept nowhere, but for what was read already."""
        if self._taken < len(self.received):
            yield self._take(len(self.received) - self._taken)
        while piece := await self.piece():
            yield piece

    async def piece(self) -> bytes:
        """What comes next, which is not kept; nothing where the other side has ended."""
        async with asyncio.timeout(PATIENCE):
            return await self._loop.sock_recv(self.sock, _PIECE)

    def silent(self) -> bool:
        """Whether nothing waits to be read, and the connection stands."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return len(self.received) == self._taken
        return False

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Go away as a process does that is killed with bytes unread."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # Private

    async def _read(self) -> bool:
        piece = await self.piece()
        self.received += piece
        return bool(piece)

    async def _read_more(self) -> None:
        if not await self._read():
            raise ConnectionEnded(f"after {bytes(self.received[self._taken :])!r}")

    def _take(self, size: int) -> bytes:
        self._taken += size
        return bytes(self.received[self._taken - size : self._taken])


async def connect(address: tuple[str, int], *, receive_buffer: int = 0) -> RawConnection:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    async with asyncio.timeout(PATIENCE):
        await asyncio.get_running_loop().sock_connect(sock, address)
    return RawConnection(sock)


async def least_seconds(ask: Callable[[], Awaitable[object]], times: int = 20) -> float:
    """How long the fastest of so many takes: what a busy machine adds is not in it, what the proxy adds is in all."""
    seconds = []
    for _ in range(times):
        began = time.monotonic()
        await ask()
        seconds.append(time.monotonic() - began)
    return min(seconds)


async def fill(wire: RawConnection) -> int:
    """Send until nothing more is taken; returns how much that was."""
    sent = refused = 0
    while refused < 100:
        try:
            sent += wire.sock.send(b"x" * 65536)
            refused = 0
        except BlockingIOError:
            refused += 1
        await asyncio.sleep(0.001)
        assert sent < 100_000_000, "everything is taken"
    return sent


async def send_endlessly(wire: RawConnection, piece: bytes) -> None:
    """Send `piece` again and again until the other side says something or ends the connection."""
    with contextlib.suppress(ConnectionError):
        for _ in range(1024):
            if not wire.silent():
                return
            await wire.send(piece)
            await asyncio.sleep(0)
        raise AssertionError("everything is taken")
