"""Large uploads, one after the other on each connection, and servers that throw them away: the proxy is the slowest.

`python -m bench.uploads PORT HOST...` answers each upload once it is whole.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from select import EPOLLIN, EPOLLOUT, epoll

from bench.backends import Backends
from bench.cores import LOAD_CORE
from bench.ports import free_ports
from bench.process import started
from bench.wrk import Outcome

_AT_ONCE = 2**20
_HEAD = 8192
_PATIENCE = 10.0
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@contextmanager
def taking_uploads(count: int, folder: Path) -> Iterator[Backends]:
    """Answer each upload at so many addresses."""
    backends = Backends(count, free_ports(1)[0])
    command = [sys.executable, "-m", "bench.uploads", str(backends.port), *backends.hosts]
    with started(command, core=LOAD_CORE, port=backends.port, log=folder / "uploads.out"):
        yield backends


def upload(port: int, size: int, connections: int, seconds: float) -> Outcome:
    """Load the proxy on `port` for so long; `received` is what was sent, as far as the kernel took it."""
    with ExitStack() as stack:
        contents = os.memfd_create("upload")
        stack.callback(os.close, contents)
        os.truncate(contents, size)
        clients = [_Client(stack, contents, size, port) for _ in range(connections)]
        poll = stack.enter_context(epoll())
        by_descriptor = {client.fileno(): client for client in clients}
        for descriptor in by_descriptor:
            poll.register(descriptor, EPOLLOUT)
        begun = time.monotonic()
        while (now := time.monotonic()) < begun + seconds:
            for descriptor, _ in poll.poll(begun + seconds - now):
                if awaited := by_descriptor[descriptor].go_on():
                    poll.modify(descriptor, awaited)
                else:
                    poll.unregister(descriptor)
        took = time.monotonic() - begun
    bodies, sent, failed = (sum(figures) for figures in zip(*[client.figures for client in clients], strict=True))
    return Outcome(bodies, sent, took, failed)


def main(port: int, hosts: list[str]) -> None:
    """Serve until the process is ended."""
    listeners = {listener.fileno(): listener for listener in (socket.create_server((host, port)) for host in hosts)}
    servers: dict[int, _Server] = {}
    with epoll() as poll:
        for descriptor in listeners:
            poll.register(descriptor, EPOLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor in listeners:
                    server = _Server(listeners[descriptor].accept()[0])
                    servers[server.fileno()] = server
                    poll.register(server.fileno(), EPOLLIN)
                elif not servers[descriptor].read():
                    servers.pop(descriptor).close()


# Private


class _Client:
    def __init__(self, stack: ExitStack, contents: int, size: int, port: int) -> None:
        self._socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), _PATIENCE))
        self._socket.setblocking(False)
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {size}\r\n\r\n"
        self._head = head.encode()
        self._contents = contents
        self._size = self._left = size
        self.bodies = self.sent = self.failed = 0
        self._socket.send(self._head)

    @property
    def figures(self) -> tuple[int, int, int]:
        return self.bodies, self.sent, self.failed

    def fileno(self) -> int:
        return self._socket.fileno()

    def go_on(self) -> int:
        """Send, or read the answer; what to wait for next, 0 where it has failed."""
        try:
            return self._send() if self._left else self._read()
        except OSError:
            self.failed += 1
            return 0

    def _send(self) -> int:
        sent = os.sendfile(self.fileno(), self._contents, self._size - self._left, self._left)
        self.sent += sent
        self._left -= sent
        return EPOLLOUT if self._left else EPOLLIN

    def _read(self) -> int:
        if not self._socket.recv(_HEAD).startswith(b"HTTP/1.1 200 "):
            self.failed += 1
            return 0
        self.bodies += 1
        self._left = self._size
        self._socket.send(self._head)
        return EPOLLOUT


class _Server:
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray(_AT_ONCE)
        self._left = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> bool:
        """Take what has come; False where no more will."""
        try:
            came = self._read_body() if self._left else self._read_head()
            if came and not self._left:
                self._socket.send(_OK)
        except OSError:
            return False
        return came

    def _read_head(self) -> bool:
        data = self._socket.recv(_HEAD)
        head, _, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        self._left = int(length[1]) - len(body) if length else 0
        return bool(data)

    def _read_body(self) -> bool:
        came = self._socket.recv_into(self._buffer, min(self._left, _AT_ONCE), socket.MSG_TRUNC)
        self._left -= came
        return came > 0


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
