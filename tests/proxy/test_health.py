"""A replica without a HEALTHCHECK is ready when its port accepts."""

from __future__ import annotations

import asyncio
import socket
import time

from composectl.balance.phase import Phase
from composectl.balance.policy import LeastRequest
from composectl.balance.pool import Pool
from composectl.balance.replica import Replica, Report
from composectl.proxy.health import watch_health
from tests.proxy.scripted import listen_on
from tests.proxy.wire import eventually


async def test_it_becomes_ready_when_it_listens_and_again_after_a_failure() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    pool = Pool("echo", LeastRequest(), time.time, lambda change, one: None)
    pool.observe([replica(1, backend.host, Report.SILENT), replica(2, "127.0.0.2", Report.SILENT)])
    probing = asyncio.create_task(watch_health(pool, backend.port, interval=0.001, timeout=0.5))
    first, second = pool.backends
    await eventually(lambda: first.phase is Phase.READY)
    assert second.phase is Phase.STARTING

    late = socket.create_server(("127.0.0.2", backend.port))
    await eventually(lambda: second.phase is Phase.READY)
    pool.probed(first, "Connection refused")
    await eventually(lambda: first.phase is Phase.READY)
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    late.close()
    await backend.close()


async def test_what_docker_holds_for_unwell_is_not_asked() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    pool = Pool("echo", LeastRequest(), time.time, lambda change, one: None)
    pool.observe([replica(1, backend.host, Report.DOWN)])
    probing = asyncio.create_task(watch_health(pool, backend.port, interval=0.001))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert backend.untouched()
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    await backend.close()


async def test_a_replica_with_a_port_of_its_own_is_asked_there() -> None:
    (backend,) = listen_on(["127.0.0.1"])
    pool = Pool("echo", LeastRequest(), time.time, lambda change, one: None)
    pool.observe([replica(1, backend.host, Report.SILENT, port=backend.port)])
    probing = asyncio.create_task(watch_health(pool, 1, interval=0.001, timeout=0.5))
    await eventually(lambda: pool.ready == 1)
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    await backend.close()


def replica(number: int, host: str, report: Report, port: int = 0) -> Replica:
    return Replica(f"{number:064x}", "", number, f"echo-{number}", host, report, port=port)
