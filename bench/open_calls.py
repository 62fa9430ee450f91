"""Calls of gRPC that stay open: a message has gone each way, and none follows.

It runs by itself as the server: `python -m bench.open_calls PORT HOST...`.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

from hpack import Encoder

from bench import frames
from bench.backends import Backends
from bench.cores import LOAD_CORE
from bench.frames import frame
from bench.grpc_servers import METHOD, REPLY, REQUEST
from bench.h2load import FIELDS
from bench.idle import SPARE_DESCRIPTORS, descriptors
from bench.ports import free_ports
from bench.process import started

_PATIENCE = 10.0
_STATUS_200 = b"\x88"  # RFC 7541, appendix A
_PING = b"is alive"
_MOST_CONNECTIONS = 20_000


@contextmanager
def holding(count: int, folder: Path) -> Iterator[Backends]:
    """Answer each message of a call with one, and end no call, at so many addresses."""
    backends = Backends(count, free_ports(1)[0], grpc=True, holds=True)
    command = [sys.executable, "-m", "bench.open_calls", str(backends.port), *backends.hosts]
    with started(command, core=LOAD_CORE, port=backends.port, log=folder / "calls.out"):
        yield backends


@contextmanager
def opened(port: int, connections: int, calls: int) -> Iterator[list[Client]]:
    """So many connections with so many calls each, all of which were answered."""
    with descriptors(connections + SPARE_DESCRIPTORS), ExitStack() as stack:
        clients = [Client(stack, port, calls) for _ in range(connections)]
        yield [client for client in clients if client.is_answered()]


class Client:
    """One connection, and its calls."""

    def __init__(self, stack: ExitStack, port: int, calls: int) -> None:
        self._socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), _PATIENCE))
        self._calls = calls
        self._rest = b""
        pseudo = [(":method", "POST"), (":scheme", "http"), (":path", METHOD), (":authority", f"127.0.0.1:{port}")]
        encoder = Encoder()
        self._socket.sendall(frames.PREFACE + frame(frames.SETTINGS, 0, 0, b""))
        for number in range(calls):
            block = encoder.encode([*pseudo, *FIELDS.items()])
            opening = frame(frames.HEADERS, frames.END_HEADERS, 2 * number + 1, block)
            self._socket.sendall(opening + frame(frames.DATA, 0, 2 * number + 1, REQUEST))

    def is_answered(self) -> bool:
        """Whether a message comes in each call."""
        missing = self._calls
        while missing:
            came = self._read()
            if not came or any(each.flags & frames.END_STREAM for each in came if each.kind == frames.HEADERS):
                return False
            missing -= sum(each.kind == frames.DATA for each in came)
        return True

    def is_alive(self) -> bool:
        """Whether the connection is, and no call has ended meanwhile."""
        try:
            self._socket.sendall(frame(frames.PING, 0, 0, _PING))
            while came := self._read():
                if any(each.kind == frames.PING and each.flags & frames.ACK for each in came):
                    return True
        except OSError:
            pass
        return False

    # Private

    def _read(self) -> list[frames.Frame]:
        """What comes next; nothing where the connection or a call ends."""
        came: list[frames.Frame] = []
        while not came and (data := self._socket.recv(65_536)):
            came, self._rest = frames.read(self._rest + data)
        answer = b"".join(map(frames.acknowledgement, came))
        if answer:
            self._socket.sendall(answer)
        return [] if any(each.kind in (frames.RST_STREAM, frames.GOAWAY) for each in came) else came


# Private


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""
        self._is_known = False  # it has sent the preface
        self._transport.write(frame(frames.SETTINGS, 0, 0, b""))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._is_known:
            if len(data) < len(frames.PREFACE):
                self._rest = data
                return
            self._is_known, data = True, data[len(frames.PREFACE) :]
        came, self._rest = frames.read(data)
        self._transport.write(b"".join(map(_answer, came)))


def _answer(came: frames.Frame) -> bytes:
    if came.kind == frames.HEADERS:
        return frame(frames.HEADERS, frames.END_HEADERS, came.stream_id, _STATUS_200)
    if came.kind == frames.DATA:
        return frame(frames.DATA, 0, came.stream_id, REPLY)
    return frames.acknowledgement(came)


async def _serve(port: int, hosts: list[str]) -> None:
    server = await asyncio.get_running_loop().create_server(_Server, hosts, port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with descriptors(_MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, hard)):
        asyncio.run(_serve(int(sys.argv[1]), sys.argv[2:]))
