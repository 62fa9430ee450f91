"""A network that is nothing but memory: a loop whose connections are buffers, for many thousand exchanges a minute."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

HIGH_WATER = 1024
_AT_ONCE = struct.pack("ii", 1, 0)


class MemoryLoop(asyncio.SelectorEventLoop):
    """A loop on which each connection that is dialled gets to `answer`, which may raise OSError.

    One to a host of which `has_room` is false gets nowhere.
    """

    answer: Callable[[MemoryTransport], None]
    has_room: Callable[[str], bool] = staticmethod(lambda host: True)

    async def create_connection(self, protocol_factory: Any, host: Any = None, *_: Any, **__: Any) -> Any:
        protocol = protocol_factory()
        transport = MemoryTransport(self, protocol, str(host))
        await asyncio.sleep(0)
        if not self.has_room(str(host)):
            await asyncio.Event().wait()
        self.answer(transport)
        protocol.connection_made(transport)
        return transport, protocol

    async def settle(self) -> None:
        """Wait until all tasks wait."""
        while self._ready:  # type: ignore[attr-defined]  # noqa: ASYNC110 - it reports nothing
            await asyncio.sleep(0)


class MemoryTransport(asyncio.Transport):
    """The proxy's end of a connection, and what can be seen and done at the far end.

    `host` is what was dialled. `ended` tells how it ended there: not yet, in order or by a reset.
    """

    def __init__(self, loop: MemoryLoop, protocol: Any, host: str = "") -> None:
        super().__init__()
        self.host = host
        self._loop = loop
        self._protocol = protocol
        self._coming: deque[bytes | Exception] = deque()
        self._unsent = bytearray()
        self._reading = True
        self._closing = self._lost = self._wrote_eof = self._resets = self._stalled = self._congested = False
        self._heard: Callable[[bytes], None] = lambda data: None
        self.ended = ""

    # The far end

    def listen(self, heard: Callable[[bytes], None]) -> None:
        """Tell `heard` what comes out there."""
        self._heard = heard

    def say(self, data: bytes) -> None:
        """Send a segment, empty for the end of all that is sent."""
        self._coming.append(data)
        self._deliver()

    def later(self, data: bytes) -> None:
        """Send a segment at the next turn of the loop: no answer comes while the question is still being written."""
        self._loop.call_soon(self.say, data)

    def reset(self) -> None:
        """Go away without a word."""
        self._coming.append(ConnectionResetError())
        self._deliver()

    def stall(self) -> None:
        """Read no more for now."""
        self._stalled = True

    def read_on(self) -> None:
        """Take what has piled up."""
        self._stalled = False
        self._send(b"")
        if self._congested and not self._lost:
            self._congested = False
            self._protocol.resume_writing()

    # The proxy's end

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 50000), "socket": self}.get(name, default)

    def fileno(self) -> int:
        """A descriptor on which there is something to read if there is here, and which takes nothing."""
        return (_SPEAKING if self._coming or self.ended else _SILENT).fileno()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if (level, option, value) == (socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE):
            self._resets = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._loop.call_soon(self._deliver)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._wrote_eof, "written behind the end"
        if not self._lost and not (self._closing and not self._unsent):
            self._send(bytes(data))

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._wrote_eof = True
        self._end_when_sent()

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._end_when_sent()

    def abort(self) -> None:
        self._unsent.clear()
        self._closing = True
        self._lose(None)

    # Private

    def _deliver(self) -> None:
        while self._coming and self._reading and not self._closing:
            data = self._coming.popleft()
            if isinstance(data, Exception):
                self._closing = True
                self._lose(data)
            elif data:
                self._protocol.data_received(data)
            elif not self._protocol.eof_received():
                self.close()

    def _send(self, data: bytes) -> None:
        self._unsent += data
        if not self._stalled:
            if self._unsent:
                self._loop.call_soon(self._heard, bytes(self._unsent))
            self._unsent.clear()
            self._end_when_sent()
        elif len(self._unsent) > HIGH_WATER and not self._congested:
            self._congested = True
            self._protocol.pause_writing()

    def _end_when_sent(self) -> None:
        if not self._unsent:
            if self._wrote_eof and not self.ended:
                self.ended = "in order"
            if self._closing:
                self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self.ended = self.ended or ("by a reset" if self._resets or error else "in order")
            self._loop.call_soon(self._protocol.connection_lost, error)


# Private


def _full() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection, of which the first takes nothing any more."""
    full, other = socket.socketpair()
    full.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            full.send(b"x" * 65536)
    return full, other


_SILENT, _its_other_end = _full()
_SPEAKING, _speaker = _full()
_speaker.send(b"x")
