"""ScaleRequest: which replicas are removed and added, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl import errors
from composectl.control.commands import ScaleRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.readiness import until_serving, wait_for_stragglers
from composectl.daemon.scaling import scale
from composectl.engine.containers import ExitedContainer
from tests.support.fake_orchestrator import OLD, UNHEALTHY, FakeOrchestrator, make_daemon


@pytest.fixture
def orchestrator() -> FakeOrchestrator:
    return FakeOrchestrator({"echo": 3})


async def scaled(daemon: Daemon, count: int, *, oldest_first: bool = False) -> list[str]:
    lines: list[str] = []
    await scale(daemon, ScaleRequest({"echo": count}, oldest_first), lines.append)
    return lines


async def test_more_replicas_are_added_by_the_orchestrator(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    assert await scaled(daemon, 5) == ["echo: adding 2", "echo: 5 of 5 ready"]
    assert orchestrator.log == ["scale echo=5"]
    assert daemon.snapshot().services[0].desired == 5


async def test_data_that_replicas_share_is_warned_of_at_the_second_one(
    daemon: Daemon, orchestrator: FakeOrchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator, "shared_data", lambda service: f"{service} shares `data`")
    told = [await scaled(daemon, count) for count in (1, 2, 3)]
    assert [lines.count("warning: echo: echo shares `data`") for lines in told] == [0, 1, 0]


async def test_the_highest_numbers_are_drained_and_removed(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    lines = await scaled(daemon, 1)
    assert orchestrator.log == ["remove echo-3", "remove echo-2"]
    assert "echo-3 draining, 0 in flight" in lines
    assert lines[-1] == "echo: 1 of 1 ready"


async def test_the_oldest_are_removed_first_where_that_is_asked_for(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    await scaled(daemon, 2, oldest_first=True)
    assert orchestrator.numbers() == [2, 3]


async def test_an_orchestrator_that_picks_victims_gets_only_a_number(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.can_choose_victim = False
    await scaled(daemon, 1)
    assert orchestrator.log == ["scale echo=1"]


async def test_a_container_that_never_started_is_removed_before_adding(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.never_ran = [ExitedContainer("f" * 64, "echo-9", 127, restarting=False, has_run=False)]
    await scaled(daemon, 4)
    assert orchestrator.log == ["remove echo-9", "scale echo=4"]


async def test_replicas_that_only_exit_fail_the_command(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    await scaled(daemon, 0)
    orchestrator.exits = {OLD}
    with pytest.raises(errors.ReplicasFailed, match="echo-1") as caught:
        await scaled(daemon, 1)
    assert "panic: no database" in str(caught.value)


async def test_replicas_that_exit_in_silence_come_with_a_hint(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    await scaled(daemon, 0)
    orchestrator.exits, orchestrator.output = {OLD}, ()
    with pytest.raises(errors.ReplicasFailed, match="exited with code 3 without output") as caught:
        await scaled(daemon, 1)
    assert "`composectl run --rm echo`" in caught.value.hint


async def test_a_service_that_is_scaled_to_nothing_is_warned_of(daemon: Daemon) -> None:
    lines = await scaled(daemon, 0)
    assert lines[-2:] == ["echo: 0 of 0 ready", "warning: no replica of `echo` serves requests now"]


async def test_a_service_without_a_ready_replica_is_waited_for_so_long(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"echo": 0})
    orchestrator.health[OLD] = UNHEALTHY
    daemon = make_daemon(orchestrator, tmp_path / "composectl")
    orchestrator.observe(daemon)
    orchestrator.desired["echo"] = 1
    await orchestrator.scale_to("echo", 1)
    missing = await until_serving(daemon, 0.01, lambda _: None)
    assert missing is not None
    assert missing.message.startswith("0 of 1 replica of `echo` is ready after 0 s\n  echo-1: HEALTHCHECK: ")
    await wait_for_stragglers(daemon, 0.01)
    daemon.close()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ScaleRequest({"ech": 1}), "`ech`"),
        (ScaleRequest({"echo": 101}), "echo"),
    ],
)
async def test_what_is_refused_changes_nothing(
    daemon: Daemon, orchestrator: FakeOrchestrator, request_: ScaleRequest, message: str
) -> None:
    with pytest.raises(errors.ComposectlError, match=message):
        await scale(daemon, request_, print)
    assert orchestrator.log == []
    assert orchestrator.desired == {"echo": 3}


async def test_an_orchestrator_that_only_reports_refuses(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"echo": 1}, errors.fixed_backends("edge"))
    daemon = make_daemon(orchestrator, tmp_path / "composectl")
    with pytest.raises(errors.ComposectlError) as caught:
        await scaled(daemon, 2)
    assert caught.value is orchestrator.refusal
    daemon.close()
