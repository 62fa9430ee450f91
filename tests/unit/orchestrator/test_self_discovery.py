"""Following a service that something else scales."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from composectl.compose.options import Invocation, Options
from composectl.daemon.daemon import Daemon
from composectl.errors import ComposectlError
from composectl.orchestrator.self_discovery import ServiceBackends, ServiceOrchestrator, discover_self
from tests.support.fake_engine import FakeEngine, container, event
from tests.support.fake_orchestrator import make_daemon

PATIENCE = 10


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock").serving() as engine:
        yield engine


async def discovered(fake: FakeEngine, notices: list[str], port: int | None = 80) -> ServiceOrchestrator:
    invocation = Invocation(Options(), fake.endpoint.url, None, {}, Path("/"))
    return await discover_self(invocation, ServiceBackends("echo", "shop", port), notices.append)


@asynccontextmanager
async def watched(orchestrator: ServiceOrchestrator, folder: Path) -> AsyncIterator[Daemon]:
    daemon = make_daemon(orchestrator, folder / "composectl")
    watching = asyncio.create_task(orchestrator.watch(daemon))
    try:
        async with asyncio.timeout(PATIENCE):
            yield daemon
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        daemon.close()


async def test_the_desired_number_is_that_of_the_running_replicas(fake: FakeEngine, tmp_path: Path) -> None:
    fake.run(container(1), container(2))
    notices: list[str] = []
    orchestrator = await discovered(fake, notices)
    assert orchestrator.desired == {"echo": 2}
    async with watched(orchestrator, tmp_path) as daemon:
        await fake.has_been_asked("events", 1)
        fake.run(container(1), container(2), container(3))
        await fake.say(event("start", 3))
        await daemon.changes.wait_until(lambda: len(daemon.services["echo"].pool.backends) == 3)
        assert orchestrator.desired == {"echo": 3}
    assert notices == []


async def test_where_none_runs_yet_that_is_said(fake: FakeEngine) -> None:
    notices: list[str] = []
    orchestrator = await discovered(fake, notices)
    assert notices == ["no replica of echo runs yet in project shop, which has no containers"]
    assert orchestrator.desired == {"echo": 0}
    orchestrator.close()


async def test_each_replica_that_exposes_no_port_is_named_once(fake: FakeEngine, tmp_path: Path) -> None:
    fake.run(container(1, Config={"ExposedPorts": {"80/tcp": {}}}), container(2))
    notices: list[str] = []
    async with watched(await discovered(fake, notices, port=None), tmp_path):
        await fake.has_been_asked("list", 2)
    assert len(notices) == 1
    assert "`shop-echo-2`" in notices[0]


async def test_replicas_without_an_exposed_port_are_not_followed(fake: FakeEngine) -> None:
    fake.run(container(1))
    with pytest.raises(ComposectlError, match="service `echo`"):
        await discovered(fake, [], port=None)


async def test_what_it_follows_it_does_not_scale(fake: FakeEngine) -> None:
    orchestrator = await discovered(fake, [])
    with pytest.raises(ComposectlError) as caught:
        orchestrator.check_managed()
    assert caught.value is orchestrator.refusal
    assert orchestrator.describe("echo") == "the replicas of echo"
    orchestrator.close()
