"""A transport that reads and writes its socket itself: a connection costs less than one of the loop (Linux)."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from typing import Final, cast

from composectl.proxy.poller import READABLE, WRITABLE, Poller, Watched, poller

_read: Final = os.read  # looked up once
_write: Final = os.write
_writev: Final = os.writev
_USUAL: Final = 80 * 1024  # bytes that are read at once: a body of 64 KiB comes whole, with its head
_MOST: Final = 256 * 1024  # while reads find more
_HIGH_WATER: Final = 64 * 1024
_LOW_PART: Final = 4
_MOST_PIECES: Final = 64  # IOV_MAX is 1024
_ENDED: Final[int] = getattr(select, "EPOLLRDHUP", 0) | getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)


class SocketTransport(Watched):
    """As asyncio's transports; `begin` reads first. The descriptor does not block, and belongs to it."""

    __slots__ = (
        "_at_once",
        "_closing",
        "_descriptor",
        "_error",
        "_has_ended",
        "_high",
        "_is_over",
        "_low",
        "_peername",
        "_poller",
        "_protocol",
        "_reading",
        "_socket",
        "_unsent",
        "_waiting",
        "_write_paused",
        "_writes_end",
    )

    def __init__(self, poller: Poller, descriptor: int, peername: object) -> None:
        self._poller = poller
        self._descriptor = descriptor
        self._peername = peername
        self._socket: socket.socket | None = None
        self._protocol: asyncio.Protocol | None = None
        self._reading = True
        self._at_once = _USUAL
        self._waiting: deque[bytes | memoryview] = deque()  # what is to be written,
        self._unsent = 0  # and how many bytes that is
        self._high = _HIGH_WATER
        self._low = _HIGH_WATER // _LOW_PART
        self._write_paused = False
        self._writes_end = False  # once all is written
        self._has_ended = False  # the other side
        self._closing = False
        self._is_over = False
        self._error: Exception | None = None

    def begin(self, protocol: asyncio.Protocol) -> None:
        """Let the protocol read."""
        self._protocol = protocol
        self._poller.add(self._descriptor, self)
        try:
            protocol.connection_made(cast(asyncio.Transport, self))
        except Exception as error:
            self._fail(error)

    # The protocol's side

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def get_extra_info(self, name: str, default: object = None) -> object:
        if name == "peername":
            return self._peername or default
        if name == "socket":
            return self._own_socket()
        if name == "sockname":
            return self._own_socket().getsockname()
        return default

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        if self._reading and not self._closing:
            self._reading = False
            self._update()

    def resume_reading(self) -> None:
        if not (self._reading or self._closing or self._has_ended):
            self._reading = True
            self._update()

    def write(self, data: bytes) -> None:
        if self._is_over or not data:
            return
        if self._waiting:
            self._waiting.append(data)
            self._unsent += len(data)
            self._pause_writing()
            return
        try:
            sent = _write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(error)
            return
        if sent < len(data):
            self._wait_with([data], sent)

    def writelines(self, parts: Iterable[bytes]) -> None:
        pieces = list(parts)
        if self._is_over or not pieces:
            return
        if self._waiting or len(pieces) > _MOST_PIECES:
            self.write(b"".join(pieces))
            return
        try:
            sent = _writev(self._descriptor, pieces)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(error)
            return
        if sent < sum(map(len, pieces)):
            self._wait_with(pieces, sent)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not (self._writes_end or self._closing):
            self._writes_end = True
            if not self._waiting:
                self._shut_down()

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = _HIGH_WATER if high is None else high
        self._low = self._high // _LOW_PART if low is None else low
        self._pause_writing()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if self._waiting:
                self._update()
            else:
                self._end(None)

    def abort(self) -> None:
        self._end(None)

    # The poller's side

    def ready(self, events: int) -> None:
        try:
            if events & WRITABLE or (self._waiting and events & _ENDED):
                self._flush()
            if self._reading and not self._closing and events & (READABLE | _ENDED):
                self._read(bool(events & _ENDED))
        except Exception as error:
            self._fail(error)

    def end(self) -> None:
        protocol, self._protocol = self._protocol, None
        try:
            if protocol is not None:
                protocol.connection_lost(self._error)
        except Exception as error:
            self._tell(error)
        finally:
            self._poller.forget(self._descriptor)
            if self._socket is not None:
                self._socket.close()
            else:
                os.close(self._descriptor)

    # Private

    def _read(self, to_the_end: bool) -> None:
        left = _MOST  # before others have their turn
        while left > 0:
            at_once = self._at_once
            try:
                data = _read(self._descriptor, at_once)
            except BlockingIOError:
                return
            except OSError as error:
                self._end(error)
                return
            if not data:
                self._read_end()
                return
            assert self._protocol is not None
            self._protocol.data_received(data)
            if not self._reading or self._closing:
                return
            left -= len(data)
            if len(data) == at_once:
                self._at_once = _MOST
            else:
                self._at_once = _USUAL
                if not to_the_end:
                    return
        self._update()  # what is left is told once more

    def _read_end(self) -> None:
        self._has_ended = True
        self._reading = False
        assert self._protocol is not None
        if not self._protocol.eof_received():
            self.close()

    def _flush(self) -> None:
        waiting = self._waiting
        while waiting:
            pieces = list(islice(waiting, _MOST_PIECES))
            try:
                sent = _writev(self._descriptor, pieces)
            except BlockingIOError:
                break
            except OSError as error:
                self._end(error)
                return
            self._unsent -= sent
            if _drop(waiting, sent) < len(pieces):
                break  # the kernel takes no more
        if not waiting:
            self._all_written()
        if self._write_paused and self._unsent <= self._low and not self._is_over:
            self._write_paused = False
            if self._protocol is not None:
                self._protocol.resume_writing()

    def _all_written(self) -> None:
        if self._closing:
            self._end(None)
        else:
            if self._writes_end:
                self._shut_down()
            self._update()

    def _shut_down(self) -> None:
        with suppress(OSError):  # the other side has gone, which reading will tell
            self._own_socket().shutdown(socket.SHUT_WR)

    def _wait_with(self, pieces: list[bytes], sent: int) -> None:
        self._waiting.extend(pieces)
        self._unsent = sum(map(len, pieces)) - sent
        _drop(self._waiting, sent)
        self._update()
        self._pause_writing()

    def _pause_writing(self) -> None:
        if self._unsent > self._high and not self._write_paused and self._protocol is not None:
            self._write_paused = True
            self._protocol.pause_writing()

    def _update(self) -> None:
        """Watch for what is wanted now."""
        if not self._is_over:
            reads = self._reading and not self._closing
            self._poller.change(self._descriptor, (READABLE if reads else 0) | (WRITABLE if self._waiting else 0))

    def _end(self, error: Exception | None) -> None:
        if not self._is_over:
            self._is_over = self._closing = True
            self._error = error
            self._waiting.clear()
            self._unsent = 0
            self._poller.end_soon(self)

    def _own_socket(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(fileno=self._descriptor)
        return self._socket

    def _fail(self, error: Exception) -> None:
        """The protocol has."""
        if not isinstance(error, OSError):
            self._tell(error)
        self._end(error)

    def _tell(self, error: Exception) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a protocol has failed", "exception": error, "protocol": self._protocol}
        )


async def connect(protocol: asyncio.Protocol, host: str, port: int) -> None:
    """Connect the protocol to an address of IPv4 or IPv6. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
        transport = SocketTransport(poller(), sock.detach(), (host, port))
    transport.begin(protocol)


@lru_cache(1024)
def is_address(host: str) -> bool:
    """Whether it is an address of IPv4 or IPv6, and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


# Private


def _drop(waiting: deque[bytes | memoryview], sent: int) -> int:
    """Remove so many bytes; returns how many pieces are gone."""
    gone = 0
    while sent:
        piece = waiting.popleft()
        if len(piece) > sent:
            waiting.appendleft(memoryview(piece)[sent:])
            break
        sent -= len(piece)
        gone += 1
    return gone
