"""What a daemon answers to the control API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from composectl import errors
from composectl.control.commands import BackendRef, RolloutRequest, ScaleRequest
from composectl.daemon.api import Api
from composectl.daemon.daemon import Daemon
from composectl.daemon.shutdown import Shutdown
from tests.support.fake_orchestrator import NEW, FakeOrchestrator, make_daemon


class Stuck(FakeOrchestrator):
    """It takes for ever to add a replica."""

    def __init__(self) -> None:
        super().__init__({"echo": 2})
        self.scaling = asyncio.Event()

    async def scale_to(self, service: str, count: int, revision: object = None) -> None:
        self.scaling.set()
        await asyncio.Event().wait()


async def test_a_command_that_a_shutdown_interrupts_says_so(tmp_path: Path) -> None:
    orchestrator, shutdown = Stuck(), Shutdown()
    daemon = make_daemon(orchestrator, tmp_path / "composectl")
    orchestrator.observe(daemon)
    work = asyncio.create_task(Api(daemon, shutdown).scale(ScaleRequest({"echo": 3}), print))
    await orchestrator.scaling.wait()
    shutdown.request()
    with pytest.raises(errors.ComposectlError, match="shutting down"):
        await work
    daemon.close()


async def test_its_listeners_are_for_a_successor(daemon: Daemon) -> None:
    listeners = Api(daemon, Shutdown()).listeners()
    assert listeners is not None
    assert listeners.lock == daemon.lock.fd


async def test_where_it_makes_no_replicas_there_is_no_successor(tmp_path: Path) -> None:
    orchestrator = FakeOrchestrator({"proxy": 1}, errors.fixed_backends("edge"))
    daemon = make_daemon(orchestrator, tmp_path / "composectl")
    assert Api(daemon, Shutdown()).listeners() is None
    daemon.close()


async def test_an_update_rolls_out_the_files_as_they_are_now(daemon: Daemon, orchestrator: FakeOrchestrator) -> None:
    orchestrator.desired["echo"] = 0
    for id in await orchestrator.containers("echo"):  # noqa: A001 - Docker's word
        await orchestrator.remove(id)
    await Api(daemon, Shutdown()).update("echo", print)
    assert orchestrator.revisions == {"echo": NEW}


async def test_a_rollout_without_a_project_takes_the_files_as_they_are_now(
    daemon: Daemon, orchestrator: FakeOrchestrator
) -> None:
    orchestrator.desired["echo"] = 0
    for id in await orchestrator.containers("echo"):  # noqa: A001 - Docker's word
        await orchestrator.remove(id)
    await Api(daemon, Shutdown()).rollout(RolloutRequest(("echo",), ""), print)
    assert orchestrator.revisions == {"echo": NEW}


async def test_an_update_of_what_is_not_balanced_is_refused(daemon: Daemon) -> None:
    with pytest.raises(errors.ComposectlError, match="`ech`"):
        await Api(daemon, Shutdown()).update("ech", print)


async def test_one_replica_is_taken_out_by_hand_and_returned(daemon: Daemon) -> None:
    api, lines = Api(daemon, Shutdown()), list[str]()
    await api.drain(BackendRef("echo", 2), lines.append)
    assert lines[-1] == "echo-2 drained, nothing in flight"
    assert [backend.phase for backend in daemon.snapshot().services[0].backends] == ["ready", "maintenance"]
    await api.undrain(BackendRef("echo", 2), lines.append)
    assert lines[-1].startswith("echo-2 ")


@pytest.mark.parametrize("number", [1, 9])
async def test_what_is_not_there_or_was_not_drained_is_refused(daemon: Daemon, number: int) -> None:
    with pytest.raises(errors.ComposectlError, match="not drained" if number == 1 else "9"):
        await Api(daemon, Shutdown()).undrain(BackendRef("echo", number), print)
