"""The pace of a rollout, as the compose file writes it and as it is asked for, and what becomes of one that fails."""

from __future__ import annotations

import pytest

from composectl import errors
from composectl.compose.update_config import UpdateConfig
from composectl.control.commands import RolloutRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.rollout import roll_out
from composectl.daemon.rollout_pace import RolloutPace, pace_of
from tests.support.fake_orchestrator import NEW, OLD, UNHEALTHY, FakeOrchestrator

FAILS = pytest.raises(errors.ComposectlError)


@pytest.fixture
def orchestrator() -> FakeOrchestrator:
    return FakeOrchestrator({"echo": 3})


def asked(parallel: int | None = None, monitor: float | None = 0.0, ready_timeout: float = 0.05) -> RolloutRequest:
    return RolloutRequest(("echo",), NEW.decode(), parallel, monitor, ready_timeout)


async def rolled_out(daemon: Daemon, request: RolloutRequest | None = None) -> list[str]:
    lines: list[str] = []
    await roll_out(daemon, request or asked(), lines.append)
    return lines


def revisions(orchestrator: FakeOrchestrator) -> list[bytes]:
    return sorted(revision for _, revision, _ in orchestrator.made)


@pytest.mark.parametrize(
    ("request_", "written", "pace"),
    [
        (asked(None, None), UpdateConfig(), RolloutPace(1, 5.0, 0.05)),
        (asked(None, None), UpdateConfig(2, 3.0, 0.0), RolloutPace(2, 0.0, 0.05, 3.0)),
        (asked(None, None), UpdateConfig(0), RolloutPace(7, 5.0, 0.05)),
        (asked(4, 9.0), UpdateConfig(2, 0.0, 1.0, True, "continue"), RolloutPace(4, 9.0, 0.05, 0.0, True, "continue")),
    ],
)
def test_what_is_asked_for_wins_over_what_is_written_and_that_over_the_default(
    request_: RolloutRequest, written: UpdateConfig, pace: RolloutPace
) -> None:
    assert pace_of(request_, written, 7) == pace


async def test_as_many_at_a_time_as_the_file_says(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.written = UpdateConfig(3)
    await rolled_out(daemon)
    assert orchestrator.log == ["scale echo=6", "remove echo-1", "remove echo-2", "remove echo-3"]


async def test_old_replicas_leave_first_where_the_file_says_so(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.written = UpdateConfig(2, stop_first=True)
    lines = await rolled_out(daemon)
    assert lines[0] == "echo: rolling out 3, 2 at a time, old ones leave first"
    removed, added = ["remove echo-1", "remove echo-2"], "scale echo=3"
    assert orchestrator.log == [*removed, added, "remove echo-3", added]
    assert revisions(orchestrator) == [NEW] * 3


async def test_between_two_steps_there_is_the_delay(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.written = UpdateConfig(delay=0.001)
    lines = await rolled_out(daemon)
    assert lines.count("echo: the next step follows in 0.001 s") == 2


async def test_where_old_replicas_left_first_a_failure_brings_them_back(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.written = UpdateConfig(stop_first=True)
    orchestrator.health[NEW] = UNHEALTHY
    with FAILS:
        await rolled_out(daemon)
    assert revisions(orchestrator) == [OLD] * 3


@pytest.mark.parametrize(
    ("action", "kept"), [(None, [NEW, OLD, OLD]), ("pause", [NEW, OLD, OLD]), ("rollback", [OLD] * 3)]
)
async def test_a_failure_halfway_leaves_or_takes_back_what_was_replaced(
    daemon: Daemon, orchestrator: FakeOrchestrator, action: str | None, kept: list[bytes]
) -> None:
    orchestrator.written = UpdateConfig(failure_action=action)

    def spoil(line: str) -> None:
        if line == "echo-1 removed":
            orchestrator.health[NEW] = UNHEALTHY

    with FAILS:
        await roll_out(daemon, asked(), spoil)
    assert revisions(orchestrator) == kept
    assert daemon.snapshot().services[0].totals.rollouts == {"done": 0, "failed": 1, "aborted": 0}


async def test_a_rollout_that_is_to_continue_replaces_all_and_warns(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.written = UpdateConfig(failure_action="continue")
    orchestrator.health[NEW] = UNHEALTHY
    lines = await rolled_out(daemon)
    assert [line.partition(":")[0] for line in lines if "the rollout continues" in line] == ["warning"] * 3
    assert revisions(orchestrator) == [NEW] * 3


# Hooks


async def test_hooks_run_in_each_replica_that_is_removed(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    old = set(await orchestrator.containers("echo"))
    await rolled_out(daemon)
    assert set(orchestrator.hooked) == old


async def test_a_hook_that_fails_is_told_and_stops_nothing(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.hook_error = errors.ComposectlError("its pre_stop hook exited with code 3")
    lines = await rolled_out(daemon)
    assert "warning: echo-1: its pre_stop hook exited with code 3" in lines
    assert revisions(orchestrator) == [NEW] * 3
