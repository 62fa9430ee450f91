"""Healing: what another tool has put in the place of the replicas is replaced, and nothing else is touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from composectl import errors
from composectl.control.commands import RolloutRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.healing import Healer
from composectl.daemon.rollout import roll_out
from composectl.orchestrator.base import ForeignContainer
from tests.support.fake_orchestrator import NEW, FakeOrchestrator
from tests.support.wait import wait_until_async

TOLD = "echo: another tool has recreated its replicas; composectl brings its own 2 back"


class Watched:
    """A healer at work; `lines` are what it has told, warnings among them, and `now` is the time on its clock."""

    def __init__(self, daemon: Daemon) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.daemon = daemon
        self.healer = Healer(
            daemon, self.lines.append, self.lines.append, lambda: self.now, quiet=0.001, quiet_if_blocked=0.001
        )

    async def looks_again(self) -> None:
        """One more listing is looked at to its end."""
        self.daemon.listed.set()
        await wait_until_async(lambda: not self.daemon.listed.is_set())
        await asyncio.sleep(0.02)


@pytest.fixture
async def watched(daemon: Daemon) -> AsyncIterator[Watched]:
    watched = Watched(daemon)
    running = asyncio.create_task(watched.healer.run())
    yield watched
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def healed(orchestrator: FakeOrchestrator, times: int = 1) -> None:
    await wait_until_async(lambda: orchestrator.log.count("scale echo=2") == times and not orchestrator.strangers)


async def test_replicas_that_another_tool_has_recreated_are_brought_back_and_told_once(
    orchestrator: FakeOrchestrator, daemon: Daemon, watched: Watched
) -> None:
    orchestrator.recreate(runs=False)
    assert daemon.services["echo"].pool.backends == []
    await healed(orchestrator)
    assert orchestrator.log == ["remove stranger 0", "scale echo=2"]
    assert watched.lines == [TOLD]
    assert daemon.services["echo"].pool.ready == 2


async def test_what_the_other_tool_has_not_started_is_started(orchestrator: FakeOrchestrator, watched: Watched) -> None:
    orchestrator.created = ["app", "worker"]
    orchestrator.recreate(runs=False)
    await wait_until_async(lambda: len(watched.lines) == 2)
    assert watched.lines == [TOLD, "started what that tool has left behind: app, worker"]


async def test_replicas_that_are_taken_down_stay_down(orchestrator: FakeOrchestrator, watched: Watched) -> None:
    orchestrator.recreate(runs=False)
    orchestrator.strangers.clear()
    await watched.looks_again()
    assert (orchestrator.log, watched.lines) == ([], [])


async def test_enough_replicas_are_left_alone_with_one_more_of_another_tool(
    orchestrator: FakeOrchestrator, watched: Watched
) -> None:
    orchestrator.strangers["a created one"] = ForeignContainer(runs=False, blocked=True)
    await watched.looks_again()
    assert (orchestrator.log, watched.lines) == ([], [])


async def test_a_container_of_another_tool_that_serves_leaves_once_the_own_are_ready(
    orchestrator: FakeOrchestrator, daemon: Daemon, watched: Watched
) -> None:
    ready: list[int] = []
    orchestrator.recreate(runs=True)
    await wait_until_async(lambda: daemon.services["echo"].pool.ready == 1)
    daemon.changes.subscribe(lambda change: ready.append(daemon.services["echo"].pool.ready))
    await wait_until_async(lambda: "remove echo-1" in orchestrator.log)
    assert orchestrator.log == ["scale echo=3", "remove echo-1"]
    assert min(ready) == 1
    assert sorted(orchestrator.numbers()) == [2, 3]


async def test_it_waits_while_composectl_itself_makes_replicas(
    orchestrator: FakeOrchestrator, daemon: Daemon, watched: Watched
) -> None:
    async with daemon.scaling:
        orchestrator.recreate(runs=False)
        await watched.looks_again()
        assert orchestrator.log == []
    daemon.listed.set()
    await healed(orchestrator)


async def test_after_three_times_in_a_minute_it_warns_once_and_waits(
    orchestrator: FakeOrchestrator, watched: Watched
) -> None:
    for times in range(1, 4):
        orchestrator.recreate(runs=False)
        await healed(orchestrator, times)
    orchestrator.recreate(runs=False)
    await watched.looks_again()
    await watched.looks_again()
    assert orchestrator.log.count("scale echo=2") == 3
    assert watched.lines[:3] == [TOLD] * 3
    assert watched.lines[3].startswith("echo: another tool has recreated its replicas 4 times in a minute")
    assert watched.lines[3].endswith("composectl brings them back in 60 s, and `composectl up -d` does so at once")
    assert len(watched.lines) == 4
    watched.now = 60.0
    daemon_listed = watched.daemon.listed
    daemon_listed.set()
    await healed(orchestrator, 4)


async def test_a_canary_that_is_lost_with_the_others_ends(
    orchestrator: FakeOrchestrator, daemon: Daemon, watched: Watched
) -> None:
    await roll_out(daemon, RolloutRequest(("echo",), NEW.decode(), 1, 0.0, 0.1, False, 0.1), print)
    orchestrator.recreate(runs=False)
    await healed(orchestrator)
    assert daemon.services["echo"].canary is None
    assert daemon.snapshot().services[0].totals.rollouts == {"done": 0, "failed": 0, "aborted": 1}


async def test_what_compose_refuses_is_told(orchestrator: FakeOrchestrator, watched: Watched) -> None:
    orchestrator.broken = errors.compose_failed("docker compose up", 1, "no such image")
    orchestrator.recreate(runs=False)
    await wait_until_async(lambda: len(watched.lines) == 2)
    assert watched.lines[1].startswith("echo: its replicas could not be brought back: ")
    assert "no such image" in watched.lines[1]
