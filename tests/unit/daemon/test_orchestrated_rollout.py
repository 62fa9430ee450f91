"""Rollouts that the orchestrator carries out: what is asked of it, step by step, and when it is told to go back."""

from __future__ import annotations

import asyncio

import pytest

from composectl import errors
from composectl.balance.phase import Phase
from composectl.compose.update_config import UpdateConfig
from composectl.control.commands import CanaryDecision, RolloutRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.rollout import decide_canary, roll_out
from tests.support.fake_orchestrator import NEW, OLD, UNHEALTHY
from tests.support.stepping_orchestrator import SteppingOrchestrator


@pytest.fixture
def orchestrator() -> SteppingOrchestrator:
    return SteppingOrchestrator({"echo": 4})


def ordered(parallel: int | None = 2, canary: float | None = None) -> RolloutRequest:
    return RolloutRequest(("echo",), NEW.decode(), parallel, 0.0, 0.1, canary=canary)


async def rolled_out(daemon: Daemon, request: RolloutRequest) -> list[str]:
    lines: list[str] = []
    await roll_out(daemon, request, lines.append)
    return lines


def revisions(orchestrator: SteppingOrchestrator) -> list[bytes]:
    return [revision for _, revision, _ in orchestrator.made]


def outcomes(daemon: Daemon) -> dict[str, int]:
    return dict(daemon.snapshot().services[0].totals.rollouts)


async def test_the_next_step_is_taken_when_the_last_one_serves(
    daemon: Daemon, orchestrator: SteppingOrchestrator
) -> None:
    lines = await rolled_out(daemon, ordered())
    assert orchestrator.log == ["begin echo 2", "continue echo 2", "end echo"]
    assert lines[0] == "echo: rolling out 4, 2 at a time"
    assert lines[1:] == [
        "echo-1, echo-2 ready, monitored for 0 s",
        "echo-3, echo-4 ready, monitored for 0 s",
        "echo: 4 of 4 ready",
    ]
    assert revisions(orchestrator) == [NEW] * 4
    assert orchestrator.revisions == {"echo": NEW}
    assert outcomes(daemon) == {"done": 1, "failed": 0, "aborted": 0}


async def test_a_service_without_replicas_has_the_new_revision_from_then_on(
    daemon: Daemon, orchestrator: SteppingOrchestrator
) -> None:
    orchestrator.desired["echo"] = 0
    await orchestrator.scale_to("echo", 0)
    await rolled_out(daemon, ordered())
    assert orchestrator.log == ["scale echo=0", "begin echo 2", "end echo"]
    assert orchestrator.revisions == {"echo": NEW}


async def test_what_the_service_says_of_its_updates_holds(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    orchestrator.written = UpdateConfig(parallelism=3, delay=0.01, monitor=0.0, stop_first=True)
    lines = await rolled_out(daemon, RolloutRequest(("echo",), NEW.decode()))
    assert orchestrator.log == ["begin echo 3", "continue echo 3", "end echo"]
    assert lines[0] == "echo: rolling out 4, 3 at a time, old ones leave first"
    assert "echo: the next step follows in 0.01 s" in lines


async def test_a_step_that_does_not_serve_is_taken_back(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    orchestrator.health[NEW] = UNHEALTHY
    with pytest.raises(errors.ComposectlError, match=r"is not ready after 0\.1 s") as caught:
        await rolled_out(daemon, ordered())
    assert "panic: no database" in str(caught.value)
    assert "the old replicas still serve" in caught.value.hint
    assert orchestrator.log == ["begin echo 2", "revert echo", "end echo"]
    assert revisions(orchestrator) == [OLD] * 4
    assert orchestrator.revisions == {"echo": OLD}
    assert outcomes(daemon) == {"done": 0, "failed": 1, "aborted": 0}


async def test_new_replicas_that_crash_are_taken_back_at_once(
    daemon: Daemon, orchestrator: SteppingOrchestrator
) -> None:
    orchestrator.exits = {NEW}
    with pytest.raises(errors.ComposectlError, match="ended with exit code 3"):
        await rolled_out(daemon, ordered())
    assert orchestrator.log == ["begin echo 2", "revert echo", "end echo"]


async def test_one_that_fails_later_takes_all_back(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    def spoil(line: str) -> None:
        if line.startswith("echo-3, echo-4 ready"):
            backend = next(each for each in daemon.services["echo"].pool.backends if each.replica.number == 3)
            for _ in range(3):
                daemon.services["echo"].pool.checked(backend, "refused")

    with pytest.raises(errors.ComposectlError, match="`echo-3` was ready, and is unhealthy"):
        await roll_out(daemon, ordered(), spoil)
    assert orchestrator.log == ["begin echo 2", "continue echo 2", "revert echo", "end echo"]
    assert revisions(orchestrator) == [OLD] * 4


async def test_where_failures_are_to_be_ignored_it_goes_on(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    orchestrator.written = UpdateConfig(failure_action="continue")
    orchestrator.exits = {NEW}
    lines: list[str] = []
    with pytest.raises(errors.ReplicasFailed):
        await roll_out(daemon, ordered(), lines.append)
    assert orchestrator.log == ["begin echo 2", "continue echo 2", "end echo"]
    assert "warning: `echo-1` ended with exit code 3; the rollout continues" in lines


async def test_a_rollout_that_is_cancelled_is_taken_back_without_waiting(
    daemon: Daemon, orchestrator: SteppingOrchestrator
) -> None:
    orchestrator.health[NEW] = UNHEALTHY
    begun = asyncio.Event()

    def notice(line: str) -> None:
        if line.endswith("starting"):
            begun.set()

    request = RolloutRequest(("echo",), NEW.decode(), 2, 0.0, 60.0)
    rollout = asyncio.create_task(roll_out(daemon, request, notice))
    await begun.wait()
    rollout.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rollout
    assert orchestrator.log == ["begin echo 2", "revert echo"]


# Canaries


async def test_a_canary_is_one_replica_with_its_share(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    lines = await rolled_out(daemon, ordered(canary=0.1))
    assert orchestrator.log == ["begin echo 1"]
    assert lines[-1].startswith("echo-1 is paused at 10% of the requests; run `composectl rollout echo --promote`")
    shares = {backend.number: backend.canary for backend in daemon.snapshot().services[0].backends}
    assert shares == {1: 0.1, 2: None, 3: None, 4: None}


async def test_a_promoted_canary_takes_the_others_along(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    await rolled_out(daemon, ordered(canary=0.1))
    await decide_canary(daemon, CanaryDecision("echo", promote=True), print)
    assert orchestrator.log == ["begin echo 1", "continue echo 2", "continue echo 2", "end echo"]
    assert revisions(orchestrator) == [NEW] * 4
    assert {backend.canary for backend in daemon.snapshot().services[0].backends} == {None}
    assert orchestrator.revisions == {"echo": NEW}


async def test_an_aborted_canary_is_replaced_back(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    await rolled_out(daemon, ordered(canary=0.1))
    await decide_canary(daemon, CanaryDecision("echo", promote=False), print)
    assert orchestrator.log == ["begin echo 1", "revert echo", "end echo"]
    assert revisions(orchestrator) == [OLD] * 4
    assert orchestrator.revisions == {"echo": OLD}
    assert outcomes(daemon) == {"done": 0, "failed": 0, "aborted": 1}


async def test_a_canary_that_does_not_serve_gets_no_share(daemon: Daemon, orchestrator: SteppingOrchestrator) -> None:
    orchestrator.health[NEW] = UNHEALTHY
    with pytest.raises(errors.ComposectlError, match="is not ready after"):
        await rolled_out(daemon, ordered(canary=0.1))
    assert orchestrator.log == ["begin echo 1", "revert echo", "end echo"]
    assert daemon.services["echo"].canary is None
    assert {backend.phase for backend in daemon.services["echo"].pool.backends} == {Phase.READY}
