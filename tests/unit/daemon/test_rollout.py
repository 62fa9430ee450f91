"""Rollouts: replacing replicas step by step, and undoing what does not do well."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from composectl import errors
from composectl.balance.backend import Transition
from composectl.balance.phase import Phase
from composectl.balance.waiting import Condition
from composectl.control.commands import CanaryDecision, RolloutRequest, ScaleRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.rollout import decide_canary, roll_out
from composectl.daemon.scaling import scale
from tests.support.fake_orchestrator import NEW, OLD, UNHEALTHY, FakeOrchestrator


def ordered(*, parallel: int = 1, canary: float | None = None, only_changed: bool = False) -> RolloutRequest:
    return RolloutRequest(("echo",), NEW.decode(), parallel, 0.0, 0.1, only_changed, canary)


async def rolled_out(daemon: Daemon, request: RolloutRequest) -> list[str]:
    lines: list[str] = []
    await roll_out(daemon, request, lines.append)
    return lines


def outcomes(daemon: Daemon) -> dict[str, int]:
    return dict(daemon.snapshot().services[0].totals.rollouts)


async def test_every_replica_is_replaced_and_never_fewer_are_ready(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    ready: list[int] = []
    daemon.changes.subscribe(lambda change: ready.append(daemon.services["echo"].pool.ready))
    lines = await rolled_out(daemon, ordered())
    assert orchestrator.log == ["scale echo=3", "remove echo-1", "scale echo=3", "remove echo-2"]
    assert min(ready) == 2
    assert lines[0] == "echo: rolling out 2, 1 at a time"
    assert lines[-1] == "echo: 2 of 2 ready"
    assert orchestrator.revisions == {"echo": NEW}
    assert outcomes(daemon) == {"done": 1, "failed": 0, "aborted": 0}


async def test_as_many_at_a_time_as_are_asked_for(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    await rolled_out(daemon, ordered(parallel=2))
    assert orchestrator.log == ["scale echo=4", "remove echo-1", "remove echo-2"]


async def test_a_service_that_has_not_changed_is_left_alone(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.outdated = set()
    assert await rolled_out(daemon, ordered(only_changed=True)) == []
    assert orchestrator.log == []


async def test_a_new_replica_that_exits_is_removed_and_old_ones_stay(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.exits = {NEW}
    with pytest.raises(errors.ComposectlError, match="`echo-3` ended with exit code 3") as caught:
        await rolled_out(daemon, ordered())
    assert "panic: no database" in str(caught.value)
    assert orchestrator.numbers() == [1, 2]
    assert orchestrator.revisions == {"echo": OLD}
    assert outcomes(daemon) == {"done": 0, "failed": 1, "aborted": 0}


async def test_a_new_replica_that_is_not_ready_in_time_is_removed(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.health[NEW] = UNHEALTHY
    orchestrator.found = [Condition(f"{3:064x}", "echo", 3, "echo-3", "running", health="starting", health_failures=2)]
    late = r"`echo-3` is not ready after 0\.1 s: HEALTHCHECK: starting, failed 2 times"
    with pytest.raises(errors.ComposectlError, match=late):
        await rolled_out(daemon, ordered())
    assert orchestrator.numbers() == [1, 2]


async def test_as_long_as_its_healthcheck_may_fail_a_new_replica_may_take(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.health[NEW] = UNHEALTHY
    orchestrator.ready_in = 0.2
    request = replace(ordered(), ready_timeout_seconds=None)
    with pytest.raises(errors.ComposectlError, match=r"`echo-3` is not ready after 0\.2 s"):
        await rolled_out(daemon, request)


async def test_where_compose_adds_nothing_its_words_are_the_reason(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.broken = errors.ComposectlError("no such image: echo:2", "build it")
    with pytest.raises(errors.ComposectlError, match="no such image: echo:2"):
        await rolled_out(daemon, ordered())
    assert orchestrator.numbers() == [1, 2]


@pytest.mark.parametrize(("parallel", "services"), [(99, ("echo",)), (1, ("ech",))])
async def test_what_is_refused_touches_nothing(
    daemon: Daemon, orchestrator: FakeOrchestrator, parallel: int, services: tuple[str, ...]
) -> None:
    with pytest.raises(errors.ComposectlError):
        await roll_out(daemon, RolloutRequest(services, "new", parallel), print)
    assert orchestrator.log == []


async def test_a_new_replica_that_another_tool_removes_ends_the_rollout_at_once(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.health[NEW] = UNHEALTHY

    def spoil(line: str) -> None:
        if line == "echo-3 starting":
            orchestrator.recreate(runs=False)

    with pytest.raises(errors.ComposectlError, match="has been removed by another tool"):
        await roll_out(daemon, RolloutRequest(("echo",), NEW.decode(), 1, 0.0, 60.0), spoil)


# Canaries


async def test_a_canary_pauses_the_rollout_and_everything_else(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    lines = await rolled_out(daemon, ordered(canary=0.1))
    assert lines[-1].startswith("echo-3 is paused at 10% of the requests")
    assert [backend.canary for backend in daemon.snapshot().services[0].backends] == [None, None, 0.1]
    for work in (roll_out(daemon, ordered(), print), scale(daemon, ScaleRequest({"echo": 5}), print)):
        with pytest.raises(errors.ComposectlError, match="canary"):
            await work
    assert orchestrator.log == ["scale echo=3"]


async def test_a_promoted_canary_takes_all_the_others_along(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    await rolled_out(daemon, ordered(canary=0.1))
    await decide_canary(daemon, CanaryDecision("echo", promote=True), print)
    assert orchestrator.log == ["scale echo=3", "remove echo-1", "scale echo=3", "remove echo-2"]
    assert orchestrator.revisions == {"echo": NEW}
    assert outcomes(daemon) == {"done": 1, "failed": 0, "aborted": 0}
    await scale(daemon, ScaleRequest({"echo": 3}), print)


async def test_an_aborted_canary_is_removed(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    await rolled_out(daemon, ordered(canary=0.1))
    await decide_canary(daemon, CanaryDecision("echo", promote=False), print)
    assert orchestrator.numbers() == [1, 2]
    assert orchestrator.revisions == {"echo": OLD}
    assert outcomes(daemon) == {"done": 0, "failed": 0, "aborted": 1}


async def test_a_canary_that_is_rejected_leaves_nothing_paused(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.exits = {NEW}
    with pytest.raises(errors.ComposectlError):
        await rolled_out(daemon, ordered(canary=0.1))
    assert outcomes(daemon) == {"done": 0, "failed": 1, "aborted": 0}
    await scale(daemon, ScaleRequest({"echo": 3}), print)


async def test_without_a_canary_there_is_nothing_to_decide(daemon: Daemon) -> None:
    with pytest.raises(errors.ComposectlError, match="canary"):
        await decide_canary(daemon, CanaryDecision("echo", promote=True), print)


async def test_a_replica_that_is_unhealthy_afterwards_ends_the_rollout(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    """No old replica is removed any more once a new one does not serve."""

    def sicken(change: Transition) -> None:
        if change.number == 1 and change.after is Phase.GONE:
            asyncio.get_running_loop().call_soon(orchestrator.sicken, 3)

    daemon.changes.subscribe(sicken)
    with pytest.raises(errors.ComposectlError, match="`echo-3` was ready, and is unhealthy"):
        await rolled_out(daemon, ordered())
    assert 2 in orchestrator.numbers()
