"""varnishtest plays both ends of the scenarios beside, its client strict about what it is sent."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from composectl.balance.backend import ContainerHealth, Replica
from composectl.balance.policy import RoundRobin
from composectl.balance.pool import Pool
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.limits import Limits, QueueConfig
from composectl.proxy.listener import bind, serve
from composectl.proxy.queue import RequestQueue
from composectl.proxy.server import HttpServer
from composectl.proxy.upstreams import Upstream
from tests.external.conftest import said_by
from tests.support.ports import free_port

UNTRUSTING = Limits(trusted_proxies=(ip_network("192.0.2.0/24"),))  # else a listener at loopback trusts its clients
SCENARIOS = sorted((Path(__file__).parent / "scenarios").iterdir())


@contextlib.asynccontextmanager
async def proxy_before(port: int) -> AsyncIterator[str]:
    """A proxy that makes no probes, which a scripted server would take for requests; its address."""
    pool = Pool("vtc", RoundRobin(), time.time, lambda change, backend: None)
    pool.sync([Replica("1", "", 1, "vtc-1", "127.0.0.1", ContainerHealth.HEALTHY)])
    (listening,) = bind("127.0.0.1", [0])
    runner = await serve(
        HttpServer(Upstream(pool, ConnectionPool(port), RequestQueue(pool, QueueConfig())), UNTRUSTING), [listening], 0
    )
    host, own = listening.getsockname()
    yield f"{host}:{own}"
    await runner.cleanup()
    assert not pool.leases.counters().in_flight


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.stem)
async def test_the_scenario_is_played_to_its_end(scenario: Path) -> None:
    port = free_port()
    async with proxy_before(port) as proxy:
        said = await said_by("varnishtest", "-D", f"proxy={proxy}", "-D", f"backend=127.0.0.1:{port}", str(scenario))
    assert f"{scenario} passed" in said
