"""The life of a daemon: how it starts, what ends it, and what becomes of the replicas."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from composectl import errors
from composectl.balance.replica_range import ReplicaRange
from composectl.daemon.lifecycle import Lifecycle, Prepared
from composectl.daemon.shutdown import Shutdown
from composectl.orchestrator.base import Orchestrator
from composectl.orchestrator.stack_orchestrator import StackOrchestrator
from tests.support.fake_orchestrator import HEALTHY, OLD, UNHEALTHY, FakeOrchestrator, make_daemon
from tests.support.wait import wait_until_async

PATIENCE = 10


class SlowOrchestrator(FakeOrchestrator):
    """Its start takes for ever."""

    def __init__(self) -> None:
        super().__init__({"echo": 1})
        self.starting = asyncio.Event()

    async def start(self) -> None:
        await super().start()
        self.starting.set()
        await asyncio.Event().wait()


class StuckOrchestrator(FakeOrchestrator):
    """Its replicas end only when they are killed."""

    def __init__(self) -> None:
        super().__init__({"echo": 1})
        self.stopping = asyncio.Event()

    async def stop(self, *, kill: bool = False) -> None:
        await super().stop(kill=kill)
        self.stopping.set()
        if not kill:
            await asyncio.Event().wait()


class OldDaemon:
    """The one that a hot restart takes over from."""

    is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


class Run:
    """One run of a daemon; `text` is what its caller gets once it serves in the background, if it `accepts`.

    `old`: takes over from this one, which has ready backends of the services in `served`, and lets those sleep that
    are `asleep`.
    """

    accepts = True
    old: OldDaemon | None = None
    served: frozenset[str] = frozenset()
    asleep: frozenset[str] = frozenset()

    def __init__(self, orchestrator: FakeOrchestrator, folder: Path) -> None:
        self.daemon = make_daemon(orchestrator, folder / "composectl")
        self.text = ""
        self.exit_code: int | None = None
        self.is_ready = asyncio.Event()

    @asynccontextmanager
    async def going(self, *, background: bool = True) -> AsyncIterator[tuple[Shutdown, asyncio.Task[int]]]:
        with Shutdown() as shutdown:
            prepared = Prepared(self.daemon, self.old, served=self.served, asleep=self.asleep)  # type: ignore[arg-type]
            lifecycle = Lifecycle(prepared, shutdown, self._notify if background else None)
            running = asyncio.create_task(lifecycle.run())
            try:
                async with asyncio.timeout(PATIENCE):
                    yield shutdown, running
            finally:
                shutdown.request()
                await asyncio.gather(running, return_exceptions=True)
                self.daemon.close()

    async def _notify(self, text: str, name: str, exit_code: int) -> None:
        self.text = text
        self.exit_code = exit_code
        self.is_ready.set()
        if not self.accepts:
            await asyncio.Event().wait()


async def test_a_first_start_brings_the_replicas_up_and_serves(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"echo": 2})
    run = Run(orchestrator, tmp_path)
    async with run.going() as (shutdown, running):
        await run.is_ready.wait()
        assert orchestrator.log == ["start"]
        assert run.daemon.services["echo"].is_served
        assert run.text == f"echo: 2 replicas behind {run.daemon.listeners[0]}\n"
        shutdown.request()
        assert await running == 0
    assert orchestrator.log == ["start"]


async def test_without_a_replica_it_warns_and_does_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(FakeOrchestrator({"echo": 0}), tmp_path)
    async with run.going():
        await run.is_ready.wait()
    assert capsys.readouterr().err.startswith("warning: no replica of `echo` serves requests now\n")


async def test_the_log_calls_a_replica_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orchestrator = FakeOrchestrator({"echo": 1}, project="shop-")
    run = Run(orchestrator, tmp_path)
    async with run.going():
        await run.is_ready.wait()
    assert "\nshop-echo-1 starting -> ready: healthy\n" in capsys.readouterr().err


async def test_an_orchestrator_that_only_reports_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orchestrator = FakeOrchestrator({"proxy": 1}, errors.fixed_backends("edge"))
    run = Run(orchestrator, tmp_path)
    async with run.going() as (_, running):
        await run.is_ready.wait()
        assert run.text.startswith("shop: ")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 128 + signal.SIGTERM
    assert orchestrator.log == []


async def test_in_the_background_a_signal_leaves_the_replicas_running(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    run = Run(orchestrator, tmp_path)
    async with run.going() as (_, running):
        await run.is_ready.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 128 + signal.SIGTERM
    assert orchestrator.log == ["start"]


async def test_a_signal_in_the_foreground_stops_the_replicas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    run = Run(orchestrator, tmp_path)
    async with run.going(background=False) as (_, running):
        await wait_until_async(lambda: run.daemon.services["echo"].is_served)
        os.kill(os.getpid(), signal.SIGINT)
        assert await running == 128 + signal.SIGINT
    assert orchestrator.log == ["start", "stop"]


@pytest.mark.parametrize(("number", "log"), [(signal.SIGTERM, ["start"]), (signal.SIGINT, ["start", "stop"])])
async def test_what_runs_elsewhere_goes_on_where_this_machine_shuts_down(
    tmp_path: Path, number: signal.Signals, log: list[str]
) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    orchestrator.are_elsewhere = True
    run = Run(orchestrator, tmp_path)
    async with run.going(background=False) as (_, running):
        await wait_until_async(lambda: run.daemon.services["echo"].is_served)
        os.kill(os.getpid(), number)
        assert await running == 128 + number
    assert orchestrator.log == log


async def test_a_signal_while_it_starts_stops_what_there_is(tmp_path: Path) -> None:
    orchestrator = SlowOrchestrator()
    run = Run(orchestrator, tmp_path)
    async with run.going() as (_, running):
        await orchestrator.starting.wait()
        os.kill(os.getpid(), signal.SIGINT)
        assert await running == 128 + signal.SIGINT
    assert orchestrator.log == ["start", "stop started"]


async def test_a_signal_before_the_caller_accepts_stops_the_replicas(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    run = Run(orchestrator, tmp_path)
    run.accepts = False
    async with run.going() as (_, running):
        await run.is_ready.wait()
        os.kill(os.getpid(), signal.SIGINT)
        assert await running == 128 + signal.SIGINT
    assert orchestrator.log == ["start", "stop started"]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (Orchestrator, "the containers were killed: `composectl down` removes them\n"),
        (StackOrchestrator, "the stack was removed: its tasks end as their grace periods allow\n"),
    ],
)
async def test_a_second_signal_kills_replicas_as_the_last_line_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: type[Orchestrator], line: str
) -> None:
    orchestrator = StuckOrchestrator()
    orchestrator.after_kill = kind.after_kill
    run = Run(orchestrator, tmp_path)
    async with run.going(background=False) as (_, running):
        await wait_until_async(lambda: run.daemon.services["echo"].is_served)
        os.kill(os.getpid(), signal.SIGINT)
        await orchestrator.stopping.wait()
        os.kill(os.getpid(), signal.SIGINT)
        assert await running == 128 + signal.SIGINT
    assert orchestrator.log == ["start", "stop", "kill"]
    assert capsys.readouterr().err.endswith(line)


async def test_a_second_signal_resets_clients_before_replicas_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response that ends with its connection would look whole otherwise."""
    orchestrator = StuckOrchestrator()
    run = Run(orchestrator, tmp_path)
    abort = run.daemon.abort

    async def noted() -> None:
        orchestrator.log.append("abort")
        await abort()

    monkeypatch.setattr(run.daemon, "abort", noted)
    async with run.going(background=False) as (_, running):
        await wait_until_async(lambda: run.daemon.services["echo"].is_served)
        os.kill(os.getpid(), signal.SIGINT)
        await orchestrator.stopping.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await running
    assert orchestrator.log == ["start", "stop", "abort", "kill", "abort"]


async def test_replicas_that_all_exit_are_stopped_and_fail_the_command(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    orchestrator.exits = {OLD}
    run = Run(orchestrator, tmp_path)
    async with run.going() as (_, running):
        with pytest.raises(errors.ReplicasFailed):
            await running
    assert orchestrator.log == ["start", "stop started"]


async def test_replicas_that_are_late_leave_a_background_process_that_serves_them_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    orchestrator.ready_in = 0.0
    orchestrator.health[OLD] = UNHEALTHY
    orchestrator.remake()
    run = Run(orchestrator, tmp_path)
    async with run.going() as (_, running):
        await run.is_ready.wait()
        assert (run.text, run.exit_code) == ("", 1)
        assert run.daemon.services["echo"].is_served
        orchestrator.health[OLD] = HEALTHY
        orchestrator.remake()
        await run.daemon.changes.wait_until(lambda: run.daemon.services["echo"].pool.ready == 1)
        assert not running.done()
    assert orchestrator.log == ["start"]
    said = capsys.readouterr().err
    assert "error: 0 of 1 replica of `echo` is ready after 0 s\n  echo-1: HEALTHCHECK: not passed yet\n" in said
    assert "`up --ready-timeout 5m` waits longer" in said


async def test_one_service_that_has_ended_takes_no_other_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orchestrator = FakeOrchestrator({"echo": 1, "web": 1})
    orchestrator.ended = {"web"}
    run = Run(orchestrator, tmp_path)
    async with run.going() as (_, running):
        await run.is_ready.wait()
        assert run.text.startswith("echo: 1 replica behind ")
        assert (run.text.count("\n"), run.exit_code) == (1, 1)
        assert not running.done()
    assert orchestrator.log == ["start"]
    said = capsys.readouterr().err
    assert "error: container `web-1` exited with code 3; its last lines:\n  panic: no database\n" in said
    assert "hint: composectl serves the other services; fix the cause" in said


@pytest.mark.parametrize("served", ["echo", "web"])
async def test_a_hot_restart_needs_what_the_old_process_serves(tmp_path: Path, served: str) -> None:
    orchestrator = FakeOrchestrator({"echo": 1, "web": 1})
    orchestrator.ended = {"web"}
    run = Run(orchestrator, tmp_path)
    run.old, run.served = OldDaemon(), frozenset({served})
    async with run.going() as (_, running):
        if served == "web":
            with pytest.raises(errors.ReplicasFailed) as caught:
                await running
            assert caught.value.hint == "the running composectl goes on with its own options"
        else:
            await run.is_ready.wait()
            assert run.exit_code == 1
        assert run.old.is_stopped is (served == "echo")
    assert "stop started" not in orchestrator.log


@pytest.mark.parametrize(("least", "sleeps"), [(0, True), (1, False)])
async def test_a_hot_restart_lets_a_service_sleep_on_where_it_may(tmp_path: Path, least: int, sleeps: bool) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    orchestrator.ended = {"echo"}
    run = Run(orchestrator, tmp_path)
    run.old, run.asleep = OldDaemon(), frozenset({"echo"})
    service = run.daemon.services["echo"]
    service.range = ReplicaRange(least, 3)
    async with run.going():
        await run.is_ready.wait()
        assert (service.asleep, run.old.is_stopped, run.exit_code) == (sleeps, True, 0)
        assert ("wake echo" in orchestrator.log) is not sleeps
        assert orchestrator.desired["echo"] == (0 if sleeps else 1)


async def test_what_compose_refuses_leaves_everything_as_it_is(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"echo": 1})
    orchestrator.broken = errors.compose_failed("docker compose up", 17)
    run = Run(orchestrator, tmp_path)
    async with run.going() as (_, running):
        with pytest.raises(errors.ComposectlError) as caught:
            await running
        assert caught.value is orchestrator.broken
    assert orchestrator.log == ["start"]
