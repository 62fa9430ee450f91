"""Run our proxy on loopback until SIGTERM: `serve.py PORT BACKENDS BACKEND_PORT [table]`."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import uvloop

from composectl.balance.policy import LeastRequest
from composectl.balance.pool import Pool
from composectl.balance.replica import Replica, Report
from composectl.balance.snapshot import VERSION, Snapshot, view_service
from composectl.proxy.connections import Connections
from composectl.proxy.listen import bind
from composectl.proxy.route import Route
from composectl.proxy.server import ProxyServer, serve
from composectl.screen.live import LiveTable


async def main(port: int, backends: int, backend_port: int, table: bool) -> None:
    """Serve backends at 127.0.0.1, 127.0.0.2, ... on one port; `table`: draw what goes on."""
    pool = Pool("bench", LeastRequest(), time.time, lambda change, backend: None)
    hosts = [f"127.0.0.{number}" for number in range(1, backends + 1)]
    pool.observe(Replica(host, "", number, host, host, Report.UP) for number, host in enumerate(hosts, 1))
    server = ProxyServer(Route(pool, Connections(backend_port)))
    runner = await serve(server, bind("127.0.0.1", [port]), drain_seconds=1)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    background = [asyncio.create_task(_every_second(server, pool))]
    if table:
        background.append(asyncio.create_task(LiveTable().show(lambda: _snapshot(pool, port, backend_port), stop)))
    await stop.wait()
    for task in background:
        task.cancel()
    await runner.cleanup()


async def _every_second(server: ProxyServer, pool: Pool) -> None:
    while True:
        await asyncio.sleep(1)
        server.sweep()
        pool.sample()


def _snapshot(pool: Pool, port: int, backend_port: int) -> Snapshot:
    view = view_service(
        pool,
        policy="least-request",
        listeners=(f"127.0.0.1:{port}",),
        wanted=len(pool.backends),
        port=backend_port,
        changes=(),
    )
    return Snapshot(VERSION, "bench", (view,))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), table="table" in sys.argv))
