"""Calls of gRPC over h2c of which each has a `grpc-timeout` and a `traceparent` of its own, as fast as they go.

They are encoded as grpc-go does it: each field enters the dynamic table. It runs by itself: `python -m
bench.traced_calls PORT SECONDS` prints how many were answered, how many were not, the bytes and the seconds.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from random import Random
from select import EPOLLIN, epoll

from hpack import Encoder

from bench.cores import LOAD_CORE, on
from bench.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADER,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from bench.grpc_servers import METHOD, REQUEST
from bench.h2load import CONNECTIONS, FIELDS, STREAMS
from bench.wrk import Outcome

_DIFFERENT = 2_000
_PATIENCE = 10.0
_LARGEST_WINDOW = 2**31 - 1
_EMPTIES_TABLE = b"\x20\x3f\xe1\x1f"  # RFC 7541, section 6.3: no byte, and then 4,096 again


def call(port: int, seconds: int) -> Outcome:
    """Load the proxy on `port` from a process of its own."""
    command = [sys.executable, "-m", "bench.traced_calls", str(port), str(seconds)]
    printed = subprocess.run(on(LOAD_CORE, command), capture_output=True, text=True, check=True).stdout.split()
    return Outcome(int(printed[0]), int(printed[2]), float(printed[3]), int(printed[1]))


def blocks(port: int, count: int = _DIFFERENT) -> list[bytes]:
    """The header blocks of so many different calls; behind the last one the first may come again."""
    encoder, random = Encoder(), Random(0)
    made = []
    for _ in range(count):
        pseudo = [(":method", "POST"), (":scheme", "http"), (":path", METHOD), (":authority", f"127.0.0.1:{port}")]
        timeout = ("grpc-timeout", f"{random.randrange(4_000_000, 5_000_000)}u")
        trace = ("traceparent", f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01")
        made.append(encoder.encode([*pseudo, *FIELDS.items(), timeout, trace]))
    return [_EMPTIES_TABLE + made[0], *made[1:]]


class Client:
    """One connection with so many calls at once."""

    def __init__(self, stack: ExitStack, port: int, made: list[bytes], streams: int = STREAMS) -> None:
        self._socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), _PATIENCE))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._blocks = made
        self._opened = 0
        self._rest = b""
        self._replied: set[int] = set()
        self.answered = self.failed = self.received = 0
        window = struct.pack(">L", _LARGEST_WINDOW - 65_535)
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(WINDOW_UPDATE, 0, 0, window))
        self._ask(streams)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bool:
        """Take what has come, and ask as often as it was answered; False where no more will come."""
        came = self._socket.recv(65_536)
        self.received += len(came)
        before = self.answered
        goes_on = self._take(self._rest + came) and came != b""
        if not goes_on:
            self.failed += 1
        elif self.answered > before:
            self._ask(self.answered - before)
        return goes_on

    # Private

    def _ask(self, count: int) -> None:
        parts = []
        for number in range(self._opened, self._opened + count):
            stream_id = 2 * number + 1
            parts.append(frame(HEADERS, END_HEADERS, stream_id, self._blocks[number % len(self._blocks)]))
            parts.append(frame(DATA, END_STREAM, stream_id, REQUEST))
        self._opened += count
        self._socket.sendall(b"".join(parts))

    def _take(self, data: bytes) -> bool:
        at, size = 0, len(data)
        while size - at >= HEADER.size:
            high, low, kind, flags, stream_id = HEADER.unpack_from(data, at)
            end = at + HEADER.size + (high << 16 | low)
            if end > size:
                break
            if kind == DATA:
                self._replied.add(stream_id)
            elif kind == HEADERS:
                if flags & END_STREAM:
                    if stream_id not in self._replied:
                        return False
                    self._replied.discard(stream_id)
                    self.answered += 1
            elif kind == SETTINGS and not flags & ACK:
                self._socket.sendall(frame(SETTINGS, ACK, 0, b""))
            elif kind in (RST_STREAM, GOAWAY):
                return False
            at = end
        self._rest = data[at:]
        return True


# Private


def _main(port: int, seconds: int) -> None:
    made = blocks(port)
    with ExitStack() as stack:
        begun = time.monotonic()
        clients = {client.fileno(): client for client in (Client(stack, port, made) for _ in range(CONNECTIONS))}
        poll = stack.enter_context(epoll())
        for descriptor in clients:
            poll.register(descriptor, EPOLLIN)
        while (now := time.monotonic()) < begun + seconds:
            for descriptor, _ in poll.poll(begun + seconds - now):
                if not clients[descriptor].read():
                    poll.unregister(descriptor)
        took = time.monotonic() - begun
    every = clients.values()
    answered, failed = sum(client.answered for client in every), sum(client.failed for client in every)
    print(answered, failed, sum(client.received for client in every), took)


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
