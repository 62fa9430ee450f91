"""What the daemon finds out about containers that are not well."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from composectl.balance.waiting import Condition
from composectl.daemon.daemon import Daemon
from tests.support.fake_orchestrator import OLD, UNHEALTHY, FakeOrchestrator
from tests.support.wait import wait_until_async

REPLICA = Condition(f"{1:064x}", "echo", 1, "echo-1", "running", health="starting", last_lines=("secret",))
DB = Condition("d" * 64, "db", 1, "db-1", "restarting", exit_code=1, restarts=3, last_lines=("disk full",))


async def test_the_snapshot_says_why_a_replica_waits_and_what_is_wrong_beside_it(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.health[OLD] = UNHEALTHY
    orchestrator.remake()
    orchestrator.found = [REPLICA, DB]
    await daemon.diagnosis.look()
    snapshot = daemon.snapshot()
    reasons = [waiting.reason for waiting in snapshot.services[0].waiting]
    assert reasons == ["HEALTHCHECK: starting", "HEALTHCHECK: not passed yet"]
    assert [other.reason for other in snapshot.others] == ["restarting: exit code 1, 3 restarts"]


async def test_one_that_is_ready_is_told_of_no_more_before_the_next_look(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.found = [REPLICA]
    await daemon.diagnosis.look()
    assert daemon.snapshot().services[0].waiting == ()


async def test_the_dashboard_gets_nothing_that_containers_print(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.health[OLD] = UNHEALTHY
    orchestrator.remake()
    orchestrator.found = [replace(REPLICA, health_failures=1, health_output="token=secret"), DB]
    await daemon.diagnosis.look()
    assert b"secret" in daemon.snapshots.json(0.0)
    public = str(daemon.snapshot().as_json(output=False))
    assert "failed once" in public
    assert "secret" not in public
    assert "disk full" not in public


async def test_the_last_exit_code_is_known_while_the_container_runs_again(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.found = [DB]
    await daemon.diagnosis.look()
    orchestrator.found = [replace(DB, state="running", exit_code=None, restarts=4)]
    await daemon.diagnosis.look()
    assert [other.reason for other in daemon.diagnosis.others] == ["restarting: exit code 1, 4 restarts"]
    assert daemon.diagnosis.reason("echo", "e" * 64) == ""


async def test_a_crash_beside_replicas_that_are_ready_is_found_at_its_event(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    async with asyncio.timeout(10):
        watching = asyncio.create_task(daemon.diagnosis.watch())
        orchestrator.found = [DB]
        orchestrator.remake()
        await wait_until_async(lambda: daemon.diagnosis.others)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_another_container_that_runs_on_is_well_again(
    daemon: Daemon, orchestrator: FakeOrchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    orchestrator.found = [DB]
    await daemon.diagnosis.look()
    monkeypatch.setattr("composectl.daemon.diagnosis._SUSPICION", 0.0)
    orchestrator.found = [replace(DB, state="running", exit_code=None)]
    await daemon.diagnosis.look()
    assert daemon.diagnosis.others == ()
