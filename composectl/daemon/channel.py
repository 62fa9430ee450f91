"""Messages and descriptors between the processes of one composectl (unix(7), SOCK_SEQPACKET, SCM_RIGHTS)."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

MAX_DESCRIPTORS = 250  # in one message; the kernel allows 253
_MAX_MESSAGE = 1 << 20
_AT_ONCE = 64  # messages in one turn of the loop


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def encode(message: object) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    return buffer.getvalue()


def receive(end: socket.socket) -> tuple[Any, list[int]]:
    """The next message, None once the other end is closed, and its descriptors, which no child inherits."""
    try:
        data, descriptors, _, _ = socket.recv_fds(end, _MAX_MESSAGE, MAX_DESCRIPTORS)
    except ConnectionError:
        return None, []
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return (pickle.loads(data) if data else None), list(descriptors)


class Channel:
    """One end, in a process with a loop. `on_message` gets each message that comes, `on_end` is called once, at last.

    Nothing is sent to an end that is closed, and nothing is raised for it.
    """

    def __init__(
        self, end: socket.socket, on_message: Callable[[Any, list[int]], None], on_end: Callable[[], None]
    ) -> None:
        end.setblocking(False)
        self._end = end
        self._on_message = on_message
        self._on_end = on_end
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end.fileno(), self._read)

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Send it behind all others; the descriptors are duplicated."""
        self._unsent.append((encode(message), list(map(os.dup, descriptors))))
        if len(self._unsent) == 1:
            self._write()

    def close(self) -> None:
        if self._end.fileno() < 0:
            return
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()
        while self._unsent:
            self._forget_first()

    # Private

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                message, descriptors = receive(self._end)
            except BlockingIOError:
                return
            if message is None:
                self.close()
                self._on_end()
                return
            self._on_message(message, descriptors)
            if self._end.fileno() < 0:
                return

    def _write(self) -> None:
        while self._unsent:
            try:
                data, descriptors = self._unsent[0]
                socket.send_fds(self._end, [data], descriptors, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._write)
                return
            except OSError:  # the reader learns of the end
                pass
            self._forget_first()
        if self._end.fileno() >= 0:
            self._loop.remove_writer(self._end.fileno())

    def _forget_first(self) -> None:
        for descriptor in self._unsent.popleft()[1]:
            os.close(descriptor)


# Private


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Frozen dataclasses are made anew: the compiled ones let nothing set their fields."""
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return type(value), tuple(getattr(value, field.name) for field in dataclasses.fields(value))
        return NotImplemented
