"""Run our proxy over a fixed list of backends: `serve.py PORT BACKEND_PORT...`, all on loopback, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import uvloop

from composectl.balance.policy import LeastRequest
from composectl.balance.pool import Pool
from composectl.balance.replica import Replica, Report
from composectl.proxy.connections import Connections
from composectl.proxy.listen import bind
from composectl.proxy.route import Route
from composectl.proxy.server import ProxyServer, serve


async def main(port: int, backends: int, backend_port: int) -> None:
    """Serve backends at 127.0.0.1, 127.0.0.2, ... on one port."""
    pool = Pool("bench", LeastRequest(), time.time, lambda change, backend: None)
    hosts = [f"127.0.0.{number}" for number in range(1, backends + 1)]
    pool.observe(Replica(host, "", number, host, host, Report.UP) for number, host in enumerate(hosts, 1))
    server = ProxyServer(Route(pool, Connections(backend_port)))
    runner = await serve(server, bind("127.0.0.1", [port]), drain_seconds=1)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sweeping = asyncio.create_task(_every_second(server, pool))
    await stop.wait()
    sweeping.cancel()
    await runner.cleanup()


async def _every_second(server: ProxyServer, pool: Pool) -> None:
    while True:
        await asyncio.sleep(1)
        server.sweep()
        pool.sample()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
