"""`python -m bench.exchange`: one GET after the other through the proxy, over connections in memory: our part alone.

First all are alike; then each request and each response has a `Traceparent` of its own.
Run it with PYTHONPATH=.tools/compiled:. and `-P` for the form that is installed.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from composectl.balance.backend import ContainerHealth, Replica
from composectl.balance.policy import LeastRequest
from composectl.balance.pool import Pool
from composectl.proxy import head
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.http1.backend_connection import BackendConnection
from composectl.proxy.http1.head_cache import ResponseHeadCache
from composectl.proxy.limits import QueueConfig
from composectl.proxy.queue import RequestQueue
from composectl.proxy.server import HttpServer
from composectl.proxy.upstreams import Upstream

_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 24\r\nConnection: keep-alive\r\n\r\nhello, hello, hello, yes"
)
_TRACE = b"\r\nTraceparent: 00-%032x-%016x-01\r\n"
_LINE = b"X-Internal-Service: 127.0.0.1:80\r\n"
_CLIENTS, _BACKENDS = 64, 4
_ROUNDS, _REQUESTS = 20, 10_000


class _Transport:
    """Takes whatever is written; the newest request is known by `asked`."""

    asked: _Transport
    protocol: Any = None

    def write(self, data: bytes) -> None:
        _Transport.asked = self

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 50000) if name == "peername" else default

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


def main() -> None:
    """Print the least microseconds of CPU time per request of all rounds."""
    for kind, messages in (("alike", _alike()), ("traced", _traced())):
        clients, backends = asyncio.run(_stage())
        least = min(_round(clients, backends, messages) for _ in range(_ROUNDS))
        print(f"{least * 1e6 / _REQUESTS:.2f} µs/request, {kind} ({head.__file__.rpartition('.')[2]})")


# Private


async def _stage() -> tuple[list[_Transport], dict[_Transport, BackendConnection]]:
    pool = Pool("bench", LeastRequest(), time.time, lambda change, backend: None)
    hosts = [f"127.0.0.{number}" for number in range(1, _BACKENDS + 1)]
    pool.sync([Replica(host, "", number, host, host, ContainerHealth.HEALTHY) for number, host in enumerate(hosts, 1)])
    connections = ConnectionPool(80)
    server = HttpServer(Upstream(pool, connections, RequestQueue(pool, QueueConfig())))
    backends = {}
    for backend in pool.backends * _CLIENTS:
        connection, transport = (
            BackendConnection(backend, _LINE, b"", ResponseHeadCache(), connections.keep, connections.lost),
            _Transport(),
        )
        connection.connection_made(cast(asyncio.Transport, transport))
        connections.keep(connection)
        backends[transport] = connection
    clients = [_Transport() for _ in range(_CLIENTS)]
    for client in clients:
        client.set_protocol(server())
        client.protocol.connection_made(client)
    return clients, backends


def _alike() -> list[tuple[bytes, bytes]]:
    return [(_REQUEST, _RESPONSE)] * _REQUESTS


def _traced() -> list[tuple[bytes, bytes]]:
    traces = [_TRACE % (number, number) for number in range(_REQUESTS)]
    return [(_REQUEST.replace(b"\r\n", trace, 1), _RESPONSE.replace(b"\r\n", trace, 1)) for trace in traces]


def _round(
    clients: list[_Transport], backends: dict[_Transport, BackendConnection], messages: list[tuple[bytes, bytes]]
) -> float:
    before = time.process_time()
    for number, (request, response) in enumerate(messages):
        clients[number % _CLIENTS].protocol.data_received(request)
        backends[_Transport.asked].data_received(response)
    return time.process_time() - before


if __name__ == "__main__":
    main()
