"""`python -m bench.splice_threshold`: what transfers of several sizes cost on transports, and through the kernel.

First each answer is spliced by itself, as far as it has not come in the first read. Then everything is.

Run it with PYTHONPATH=.tools/compiled:. and `-P` for the form that is installed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

import uvloop

from bench.cores import PROXY_CORE
from bench.messages import answering, exchange
from bench.ports import free_ports
from composectl.proxy.splice import Splice

_TRANSFERS = tuple(2**power * 1024 for power in range(6, 13))
_READS = tuple(2**power * 1024 for power in range(8))
_ROUNDS, _SECONDS = 5, 1


class _Way(Enum):
    TRANSPORTS = "transports"
    EACH = "each answer is spliced"
    ALL = "all is spliced"


class _Relay:
    """One client and its server, which gives answers of `size` bytes."""

    def __init__(self, client: asyncio.Transport, size: int, way: _Way) -> None:
        self.client = client
        self.server: asyncio.Transport | None = None
        self._size = size
        self._left = size
        self._way = way
        self._splice: Splice | None = None
        self._unsent = b""

    def asked(self, data: bytes) -> None:
        if self.server is None:
            self._unsent += data
        else:
            self.server.write(data)

    def dialled(self, server: asyncio.Transport) -> None:
        self.server = server
        server.write(self._unsent)

    def answered(self, data: bytes) -> None:
        assert self.server is not None
        self.client.write(data)
        self._left = self._left - len(data) or self._size
        is_bulk = self._way is _Way.ALL or (self._way is _Way.EACH and self._left < self._size)
        if is_bulk and not self.client.get_write_buffer_size():
            left = self._left if self._way is _Way.EACH else None
            self._splice = Splice(self.server, self.client, self._spliced, left)
            self._splice.start()

    def end(self) -> None:
        if self._splice is not None:
            self._splice.stop()
        if self.server is not None:
            self.server.abort()

    def pause(self) -> None:
        if self.server is not None:
            self.server.pause_reading()

    def resume(self) -> None:
        if self.server is not None:
            self.server.resume_reading()

    def _spliced(self, error: OSError | None, of_source: bool) -> None:
        assert self._splice is not None
        assert self.server is not None
        self._splice.stop()
        self._splice, self._left = None, self._size
        if error is not None:
            self.client.abort()
        else:
            self.server.resume_reading()


class _Client(asyncio.Protocol):
    def __init__(self, dial: Callable[[asyncio.Transport], _Relay]) -> None:
        self._dial = dial

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._relay = self._dial(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._relay.asked(data)

    def pause_writing(self) -> None:
        self._relay.pause()

    def resume_writing(self) -> None:
        self._relay.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self._relay.end()


class _Server(asyncio.Protocol):
    def __init__(self, relay: _Relay) -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._relay.dialled(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._relay.answered(data)


def main() -> None:
    """Print the microseconds of CPU time for an answer, in either way, and the ratio."""
    os.sched_setaffinity(0, {PROXY_CORE})
    _print_table(_Way.EACH, _TRANSFERS, connections=4)
    _print_table(_Way.ALL, _READS, connections=64)


# Private


def _print_table(way: _Way, sizes: tuple[int, ...], connections: int) -> None:
    print(f"KiB    transports    {way.value}    ratio")
    for size in sizes:
        with TemporaryDirectory() as folder, answering(1, Path(folder), size) as servers:
            both = (_Way.TRANSPORTS, way)
            rounds = [
                [uvloop.run(_measure(servers.port, size, each, connections)) for each in both] for _ in range(_ROUNDS)
            ]
        transports, spliced = (median(each) for each in zip(*rounds, strict=True))
        ratio = median(through / past for past, through in rounds)
        print(f"{size // 1024:>5,}  {transports:>8.1f}  {spliced:>8.1f}  {ratio:>5.2f}", flush=True)


async def _measure(port: int, size: int, way: _Way, connections: int) -> float:
    loop = asyncio.get_running_loop()
    dialling: set[asyncio.Task[object]] = set()

    def dial(client: asyncio.Transport) -> _Relay:
        relay = _Relay(client, size, way)
        dialling.add(loop.create_task(loop.create_connection(lambda: _Server(relay), "127.0.0.1", port)))
        return relay

    here = free_ports(1)[0]
    listener = await loop.create_server(lambda: _Client(dial), "127.0.0.1", here)
    before = time.process_time()
    outcome = await loop.run_in_executor(None, exchange, here, size, connections, _SECONDS)
    took = time.process_time() - before
    listener.close()
    if outcome.failed or not outcome.requests:
        raise SystemExit(f"error: {outcome.failed} of {connections} connections failed")
    return took * 1e6 / outcome.requests


if __name__ == "__main__":
    main()
