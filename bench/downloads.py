"""Large bodies, one after the other on each connection, thrown away in the kernel: the proxy is what is slowest."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from select import EPOLLIN, epoll

from bench.wrk import Load, Outcome

_AT_ONCE = 2**20
_HEAD = 4096
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_PATIENCE = 10.0


def download(load: Load, port: int, seconds: float) -> Outcome:
    """Load the proxy on `port` for so long; a body that is still coming at the end counts with what came."""
    with ExitStack() as stack:
        clients = {client.fileno(): client for client in (_Client(stack, load, port) for _ in range(load.connections))}
        poll = stack.enter_context(epoll())
        for descriptor in clients:
            poll.register(descriptor, EPOLLIN)
        begun = time.monotonic()
        while (now := time.monotonic()) < begun + seconds:
            for descriptor, _ in poll.poll(begun + seconds - now):
                if not clients[descriptor].read():
                    poll.unregister(descriptor)
        took = time.monotonic() - begun
    every = clients.values()
    return Outcome(
        sum(client.bodies for client in every),
        sum(client.received for client in every),
        took,
        sum(client.failed for client in every),
    )


# Private


class _Client:
    def __init__(self, stack: ExitStack, load: Load, port: int) -> None:
        self._socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), _PATIENCE))
        self._request = f"GET {load.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self._buffer = bytearray(_AT_ONCE)
        self._left = 0
        self.bodies = self.received = self.failed = 0
        self._socket.sendall(self._request)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bool:
        """Take what has come; False where no more will."""
        came = self._socket.recv_into(self._buffer, _AT_ONCE, socket.MSG_TRUNC) if self._left else self._read_head()
        self.received += came
        self._left -= came
        if came <= 0 or self._left < 0:
            self.failed += 1
            return False
        if not self._left:
            self.bodies += 1
            self._socket.sendall(self._request)
        return True

    def _read_head(self) -> int:
        """Bytes read: a head, and the beginning of its body."""
        data = self._socket.recv(_HEAD)
        head, end, _ = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if length is None or not end or not head.startswith(b"HTTP/1.1 200 "):
            return 0
        self._left = int(length[1]) + len(head) + len(end)
        return len(data)
