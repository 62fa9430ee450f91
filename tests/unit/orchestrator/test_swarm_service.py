"""Following a service of a swarm that something else deploys."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from composectl.compose.options import Invocation, Options
from composectl.engine.swarm import SwarmService
from composectl.errors import ComposectlError
from composectl.orchestrator.swarm_service import (
    TaskAddressing,
    TaskBackends,
    TaskOrchestrator,
    choose_task_addressing,
    follow_service,
)
from tests.support.fake_orchestrator import make_daemon
from tests.support.fake_swarm import FakeSwarm
from tests.unit.engine.test_swarm_ports import HOST, MESH, service

PATIENCE = 10
ON_N1 = {"TaskTemplate": {"Networks": [{"Target": "n1"}]}}


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[FakeSwarm]:
    fake = FakeSwarm(tmp_path / "docker.sock")
    async with fake.serving():
        yield fake


async def following(swarm: FakeSwarm, name: str = "lab_echo", port: int | None = None) -> TaskOrchestrator:
    invocation = Invocation(Options(), swarm.endpoint.url, None, {}, Path("/"))
    return await follow_service(invocation, TaskBackends(name, port))


@pytest.mark.parametrize(
    ("found", "port", "networks", "addressing"),
    [
        (service(MESH, HOST), None, None, TaskAddressing(9090)),
        (service(MESH, HOST), 9090, frozenset({"n2"}), TaskAddressing(9090)),
        (service(MESH, HOST, **ON_N1), None, frozenset({"n1", "n2"}), TaskAddressing(80, frozenset({"n1"}))),
        (service(**ON_N1), 81, frozenset({"n1"}), TaskAddressing(81, frozenset({"n1"}))),
    ],
)
def test_a_common_network_is_better_than_a_port_of_the_node(
    found: SwarmService, port: int | None, networks: frozenset[str] | None, addressing: TaskAddressing
) -> None:
    assert choose_task_addressing(found, port, networks) == addressing


@pytest.mark.parametrize(
    ("found", "port", "words"),
    [
        (service(MESH, **ON_N1), None, "publishes no TCP port in host mode"),
        (service(MESH, HOST), 80, "does not publish port 80 in host mode"),
    ],
)
def test_what_cannot_be_reached_is_told_with_both_ways(found: SwarmService, port: int | None, words: str) -> None:
    with pytest.raises(ComposectlError, match=f"service `shop_echo` {words}, and shares no network") as refused:
        choose_task_addressing(found, port, frozenset({"n2"}))
    assert "`mode: host`" in refused.value.hint


def test_on_a_common_network_the_port_has_to_be_known() -> None:
    with pytest.raises(ComposectlError, match="service `shop_echo` exposes no TCP port"):
        choose_task_addressing(service(**ON_N1), None, frozenset({"n1"}))


async def test_the_desired_number_is_that_of_the_tasks(swarm: FakeSwarm, tmp_path: Path) -> None:
    orchestrator = await following(swarm)
    assert (orchestrator.addressing, orchestrator.stop_grace_period) == (TaskAddressing(8080), math.inf)
    daemon = make_daemon(orchestrator, tmp_path / "composectl")
    watching = asyncio.create_task(orchestrator.watch(daemon))
    async with asyncio.timeout(PATIENCE):
        await daemon.changes.wait_until(lambda: len(daemon.services["lab_echo"].pool.backends) == 6)
    assert orchestrator.desired == {"lab_echo": 6}
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    daemon.close()


async def test_it_makes_none(swarm: FakeSwarm) -> None:
    orchestrator = await following(swarm)
    with pytest.raises(ComposectlError, match="follows the tasks of service `lab_echo`, and makes none") as refused:
        orchestrator.check_managed()
    assert "`docker service scale lab_echo=N`" in refused.value.hint
    orchestrator.close()


async def test_an_unknown_service_is_told(swarm: FakeSwarm) -> None:
    with pytest.raises(ComposectlError, match="no service `lab_ech` in the swarm"):
        await following(swarm, "lab_ech")
