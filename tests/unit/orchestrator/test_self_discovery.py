"""Following a service that something else scales."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from composectl.balance.backend import Key, Replica
from composectl.compose.options import Invocation, Options
from composectl.errors import ComposectlError
from composectl.orchestrator.self_discovery import ServiceBackends, ServiceOrchestrator, discover_self
from tests.support.fake_engine import FakeEngine, container, event

PATIENCE = 10


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock").serving() as engine:
        yield engine


class Reports:
    """What an orchestrator reports; `listed` are the numbers of the replicas, `notices` the lines for people."""

    def __init__(self) -> None:
        self.listed: list[list[int]] = []
        self.notices: list[str] = []
        self.reported = asyncio.Event()

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        self.listed.append([replica.number for replica in replicas])
        self.reported.set()

    def replica_stopping(self, service: str, container_id: str, reason: str) -> None:
        pass

    def replica_gone(self, service: str, key: Key, reason: str) -> None:
        pass

    def engine_lost(self, reason: str) -> None:
        pass

    def engine_back(self) -> None:
        pass


async def discovered(fake: FakeEngine, reports: Reports, port: int | None = 80) -> ServiceOrchestrator:
    url = fake.endpoint.url
    invocation = Invocation(Options(), url, None, {}, Path("/"))
    return await discover_self(invocation, ServiceBackends("echo", "shop", port), reports.notices.append)


@asynccontextmanager
async def watched(orchestrator: ServiceOrchestrator, reports: Reports) -> AsyncIterator[None]:
    watching = asyncio.create_task(orchestrator.watch(reports))
    try:
        async with asyncio.timeout(PATIENCE):
            await reports.reported.wait()
            yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        orchestrator.close()


async def test_the_desired_number_is_that_of_the_replicas_that_there_are(fake: FakeEngine) -> None:
    fake.run(container(1), container(2))
    reports = Reports()
    orchestrator = await discovered(fake, reports)
    assert orchestrator.desired == {"echo": 2}
    async with watched(orchestrator, reports):
        await fake.has_been_asked("events", 1)
        fake.run(container(1), container(2), container(3))
        await fake.say(event("start", 3))
        while reports.listed[-1] != [1, 2, 3]:
            reports.reported.clear()
            await reports.reported.wait()
        assert orchestrator.desired == {"echo": 3}
    assert reports.notices == []


async def test_where_none_runs_yet_that_is_said(fake: FakeEngine) -> None:
    reports = Reports()
    orchestrator = await discovered(fake, reports)
    assert reports.notices == ["no replica of echo runs yet in project shop, which has no containers"]
    assert orchestrator.desired == {"echo": 0}
    orchestrator.close()


async def test_each_replica_that_exposes_no_port_is_named_once(fake: FakeEngine) -> None:
    fake.run(container(1, Config={"ExposedPorts": {"80/tcp": {}}}), container(2))
    reports = Reports()
    orchestrator = await discovered(fake, reports, port=None)
    async with watched(orchestrator, reports):
        await fake.has_been_asked("list", 2)
    assert len(reports.notices) == 1
    assert "`shop-echo-2`" in reports.notices[0]


async def test_where_no_replica_exposes_a_port_there_is_nothing_to_follow(fake: FakeEngine) -> None:
    fake.run(container(1))
    with pytest.raises(ComposectlError, match="service `echo`"):
        await discovered(fake, Reports(), port=None)


async def test_what_it_follows_it_does_not_scale(fake: FakeEngine) -> None:
    orchestrator = await discovered(fake, Reports())
    with pytest.raises(ComposectlError) as caught:
        orchestrator.check_managed()
    assert caught.value is orchestrator.refusal
    assert orchestrator.describe("echo") == "the replicas of echo"
    orchestrator.close()
