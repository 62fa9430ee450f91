"""A stack, over the API of a manager of paper and a `docker` that notes what it is to deploy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from composectl.balance.backend import Key, Replica
from composectl.compose.argv import StackOptions
from composectl.compose.client import ComposeClient
from composectl.compose.override import render
from composectl.compose.project import Project
from composectl.compose.stack import DEPLOYED_BY, StackPlan
from composectl.compose.stack_client import StackClient
from composectl.compose.update_config import UpdateConfig
from composectl.engine.swarm_client import SwarmEngine
from composectl.errors import ComposectlError
from composectl.orchestrator.base import UpdateStep
from composectl.orchestrator.stack_orchestrator import Deployment, StackOrchestrator
from tests.support.fake_swarm import FakeSwarm, event, frame
from tests.support.wait import wait_until_async

DOCUMENT: dict[str, Any] = {
    "name": "lab",
    "services": {
        "echo": {
            "image": "lab:1",
            "expose": ["8080/tcp"],
            "deploy": {"update_config": {"parallelism": 2, "monitor": "1s"}},
        }
    },
}


@pytest.fixture(params=["20.10", "28.5"])
async def fake(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[FakeSwarm]:
    async with FakeSwarm(tmp_path / "docker.sock", request.param).serving() as swarm:
        assert isinstance(swarm, FakeSwarm)
        yield swarm


@pytest.fixture
async def stack(fake: FakeSwarm, tmp_path: Path) -> AsyncIterator[StackOrchestrator]:
    """The stack `lab` with six replicas of `echo`, as this composectl has deployed it."""
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\ncat > {tmp_path}/read\n')
    program.chmod(0o755)
    own = fake.nodes[0]["ID"]
    fake.services[0]["Spec"]["Labels"][DEPLOYED_BY] = own
    stacks = StackClient({"PATH": f"{tmp_path}:/usr/bin:/bin"}, tmp_path, StackOptions())
    plan, project = StackPlan({"echo": {8080}}, own), Project("lab", DOCUMENT)
    deployment = Deployment(
        "lab", cast(ComposeClient, None), stacks, plan, plan.make(project, {"echo": 6}), render(DOCUMENT)
    )
    engine = await SwarmEngine.connect(fake.endpoint)
    yield StackOrchestrator(engine, {"echo": "lab_echo"}, {"echo": 6}, deployment)
    engine.close()


class Listener:
    """Takes note that tasks were listed."""

    def __init__(self) -> None:
        self.listed = asyncio.Event()

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        self.listed.set()

    def replica_stopping(self, service: str, container_id: str, reason: str) -> None: ...

    def replica_gone(self, service: str, key: Key, reason: str) -> None: ...

    def engine_lost(self, reason: str) -> None: ...

    def engine_back(self) -> None: ...


def called(folder: Path) -> list[str]:
    return [line.split(" ")[1] for line in (folder / "called").read_text().splitlines()]


def deployed(folder: Path) -> Any:
    return yaml.safe_load((folder / "read").read_text())


def spec(fake: FakeSwarm) -> dict[str, Any]:
    found: dict[str, Any] = fake.services[0]["Spec"]
    return found


# What there is


async def test_the_tasks_that_run_are_its_replicas(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    replicas = await stack.replicas("echo")
    assert sorted(replica.number for replica in replicas) == [1, 2, 3, 4, 5, 6]
    assert {replica.node for replica in replicas} == {"n1", "n2", "n3"}
    assert {replica.name for replica in replicas} == set((await stack.desired_replicas("echo")).values())


async def test_a_task_that_is_told_to_stop_is_not_wanted(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    task = fake.stop_task(3)
    assert task["ID"] not in await stack.desired_replicas("echo")
    assert task["ID"] in await stack.containers("echo")
    assert await stack.exited("echo") == []


async def test_a_task_that_crashes_has_exited_and_another_follows(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    task = fake.task(3)
    task["Status"] |= {"State": "failed", "Err": "task: non-zero exit (3)"}
    task["Status"]["ContainerStatus"]["ExitCode"] = 3
    (exited,) = await stack.exited("echo")
    assert (exited.id, exited.name, exited.exit_code, exited.error) == (task["ID"], "lab_echo.3", 3, "")
    assert await stack.replaces_ended("echo")


async def test_where_no_task_follows_those_that_ended_it_is_over(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    spec(fake)["TaskTemplate"]["RestartPolicy"] = {"Condition": "none"}
    assert await stack.replaces_ended("echo")
    fake.tasks = [task for task in fake.tasks if task["ServiceID"] != fake.services[0]["ID"]]
    assert not await stack.replaces_ended("echo")


async def test_nothing_ails_a_stack_in_which_all_is_well(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    fake.services = fake.services[:1]
    spec(fake)["Mode"]["Replicated"]["Replicas"] = 6
    fake.tasks = fake.of("lab_echo")
    for task in fake.tasks:
        task["Labels"] = {}
    assert await stack.conditions(list(await stack.desired_replicas("echo")), ()) == []
    assert fake.asked.count("list_tasks") == 2  # one of them is the test's


async def test_what_ails_a_task_is_told_with_its_last_lines(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    well = list(await stack.desired_replicas("echo"))
    task = fake.task(3)
    task["Status"] |= {"State": "starting", "Err": ""}
    fake.logs[f"tasks/{task['ID']}"] = frame("connecting to the database")
    (condition,) = await stack.conditions([each for each in well if each != task["ID"]], ())
    assert (condition.service, condition.number, condition.state) == ("echo", 3, "starting")
    assert condition.last_lines == ("connecting to the database",)


async def test_a_node_that_does_not_answer_has_no_last_lines(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    assert list(await stack.last_lines("unknown", 5)) == []


async def test_what_tasks_print_is_told_by_slot(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    task = fake.task(3)
    fake.logs["services/lab_echo"] = frame(
        f"2026-11-29T10:00:00.000000000Z com.docker.swarm.task.id={task['ID']} hello"
    )
    seen: dict[str, str] = {}
    assert [line.source for line in await stack.new_output(seen)] == ["echo-3"]
    assert await stack.new_output(seen) == []
    assert await stack.new_output({}, number=4) == []


async def test_a_port_of_the_mesh_is_known_to_be_its_own(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    assert not await stack.owns_port("echo", 8080)
    fake.services[0]["Endpoint"]["Ports"][0]["PublishedPort"] = 8080
    assert await stack.owns_port("echo", 8080)


# Deploying, scaling, removing


async def test_it_deploys_the_whole_stack(fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path) -> None:
    await stack.start()
    assert called(tmp_path) == ["deploy"]
    echo = deployed(tmp_path)["services"]["echo"]
    assert echo["deploy"]["replicas"] == 6
    assert echo["ports"] == [{"target": 8080, "mode": "host", "protocol": "tcp"}]
    assert fake.updates == []


async def test_h28_what_another_composectl_has_deployed_is_left_to_it(
    fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path
) -> None:
    spec(fake)["Labels"][DEPLOYED_BY] = fake.nodes[1]["ID"]
    for change in (
        stack.start,
        lambda: stack.scale_to("echo", 3),
        lambda: stack.begin_update("echo", None, UpdateStep(1)),
    ):
        with pytest.raises(ComposectlError, match="`lab_echo` was deployed by composectl on node `n2`") as caught:
            await change()
        assert "composectl proxy --swarm-service lab_echo" in caught.value.hint
    assert not (tmp_path / "called").exists()
    assert fake.updates == []


async def test_h28_what_a_manager_that_is_down_has_deployed_is_taken_over(
    fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path
) -> None:
    spec(fake)["Labels"][DEPLOYED_BY] = fake.nodes[1]["ID"]
    fake.nodes[1]["Status"]["State"] = "down"
    await stack.start()
    assert called(tmp_path) == ["deploy"]


async def test_a_service_is_scaled_by_the_managers(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    before = spec(fake)
    fake.conflicts = 1
    await stack.scale_to("echo", 9)
    assert fake.updates == [{**before, "Mode": {"Replicated": {"Replicas": 9}}}]


async def test_the_desired_number_is_that_of_the_swarm(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    listener = Listener()
    watching = asyncio.create_task(stack.watch(listener))
    spec(fake)["Mode"] = {"Replicated": {"Replicas": 7}}
    await listener.listed.wait()
    assert stack.desired == {"echo": 6}  # which is about to be deployed
    await stack.start()
    spec(fake)["Mode"] = {"Replicated": {"Replicas": 8}}
    fake.services[0]["Version"]["Index"] += 1
    await fake.has_been_asked("events", 1)
    await fake.say(event())
    await wait_until_async(lambda: stack.desired == {"echo": 8})
    watching.cancel()


async def test_tasks_end_before_their_service_is_removed(
    fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path
) -> None:
    fake.tasks = [task for task in fake.tasks if task["ServiceID"] != fake.services[0]["ID"]]
    await stack.stop()
    assert spec(fake)["Mode"] == {"Replicated": {"Replicas": 0}}
    assert called(tmp_path) == ["rm"]


async def test_a_forced_end_does_not_wait_for_tasks(fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path) -> None:
    await stack.stop(kill=True)
    assert called(tmp_path) == ["rm"]
    assert fake.updates == []


async def test_a_stack_that_was_there_before_goes_on(fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path) -> None:
    await stack.start()
    await stack.stop_started()
    assert called(tmp_path) == ["deploy"]


# Updates


async def test_an_update_begins_with_one_step_and_is_forced_where_nothing_has_changed(
    fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path
) -> None:
    await stack.begin_update("echo", None, UpdateStep(2))
    assert deployed(tmp_path)["services"]["echo"]["deploy"]["update_config"] == {
        "parallelism": 2,
        "delay": "24h",
        "failure_action": "pause",
        "order": "start-first",
    }
    (forced,) = fake.updates
    assert forced["TaskTemplate"]["ForceUpdate"] == 1


async def test_an_update_goes_on_step_by_step_and_ends_as_it_is_written(
    fake: FakeSwarm, stack: StackOrchestrator, tmp_path: Path
) -> None:
    await stack.begin_update("echo", None, UpdateStep(2))
    await stack.continue_update("echo", UpdateStep(2))
    assert fake.updates[-1]["UpdateConfig"]["Delay"] == 86_400_000_000_000
    await stack.continue_update("echo", UpdateStep(2))
    assert fake.updates[-1]["UpdateConfig"]["Delay"] == 86_400_000_000_001
    await stack.end_update("echo")
    assert deployed(tmp_path)["services"]["echo"]["deploy"]["update_config"]["monitor"] == "1s"
    assert "--resolve-image changed" in (tmp_path / "called").read_text().splitlines()[-1]


async def test_an_update_is_taken_back_to_what_was_before(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    before = spec(fake)
    await stack.begin_update("echo", None, UpdateStep(2))
    await stack.revert_update("echo", UpdateStep(2))
    assert fake.updates[-1]["TaskTemplate"] == before["TaskTemplate"]
    assert fake.updates[-1]["UpdateConfig"]["Delay"] == 0
    await stack.end_update("echo")
    assert fake.updates[-1] == before


async def test_an_update_outlives_the_election_of_a_leader(fake: FakeSwarm, stack: StackOrchestrator) -> None:
    await stack.begin_update("echo", None, UpdateStep(2))
    fake.refusal = (503, "rpc error: code = Unknown desc = The swarm does not have a leader.")
    step = asyncio.create_task(stack.continue_update("echo", UpdateStep(2)))
    look = asyncio.create_task(stack.desired_replicas("echo"))
    await fake.has_been_asked("list_tasks", 1)
    await fake.has_been_asked("inspect_service", fake.asked.count("inspect_service") + 1)
    fake.refusal = None
    await step
    assert fake.updates[-1]["UpdateConfig"]["Delay"] == 86_400_000_000_000
    assert len(await look) == 6


async def test_how_a_service_is_to_be_updated_is_read_from_its_definition(stack: StackOrchestrator) -> None:
    revision = stack.revision(render(DOCUMENT).decode())
    assert stack.update_config("echo", revision) == UpdateConfig(parallelism=2, monitor=1.0)
    assert not await stack.is_outdated("echo", revision)
    newer = DOCUMENT | {"services": {"echo": DOCUMENT["services"]["echo"] | {"image": "lab:2"}}}
    assert await stack.is_outdated("echo", stack.revision(render(newer).decode()))
    stack.set_revision("echo", stack.revision(render(newer).decode()))
    assert not await stack.is_outdated("echo", stack.revision(render(newer).decode()))
