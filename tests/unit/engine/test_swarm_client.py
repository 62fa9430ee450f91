"""The API of a manager, awaited, and its failures in our words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from composectl.engine.output import parse_service_output
from composectl.engine.swarm import SwarmService
from composectl.engine.swarm_client import SwarmEngine
from composectl.errors import ComposectlError
from tests.support.fake_swarm import FakeSwarm, frame


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeSwarm]:
    async with FakeSwarm(tmp_path / "docker.sock").serving() as swarm:
        assert isinstance(swarm, FakeSwarm)
        yield swarm


@pytest.fixture
async def engine(fake: FakeSwarm) -> SwarmEngine:
    return await SwarmEngine.connect(fake.endpoint)


def with_replicas(count: int) -> Any:
    def edit(service: SwarmService) -> dict[str, Any]:
        return {**service.spec, "Mode": {"Replicated": {"Replicas": count}}}

    return edit


async def test_it_lists_nodes_services_and_tasks(engine: SwarmEngine) -> None:
    assert {node.hostname for node in (await engine.nodes()).values()} == {"n1", "n2", "n3"}
    assert [service.name for service in await engine.stack_services("lab")] == ["lab_echo"]
    assert {task.slot for task in await engine.tasks(service=("lab_echo",))} == {1, 2, 3, 4, 5, 6}
    assert len(await engine.tasks(service=("lab_echo",), desired_state=("running",))) == 6


async def test_what_the_managers_do_not_know_is_not_there(engine: SwarmEngine) -> None:
    assert await engine.service("nope") is None
    assert await engine.tasks(service=("nope",)) == []
    assert await engine.task_lines("nope", 5) == []


async def test_a_change_keeps_what_it_does_not_edit(fake: FakeSwarm, engine: SwarmEngine) -> None:
    before = await engine.existing("lab_echo")
    assert await engine.change("lab_echo", with_replicas(9)) == before
    assert fake.updates == [{**before.spec, "Mode": {"Replicated": {"Replicas": 9}}}]


async def test_a_change_that_comes_second_is_made_of_the_first(fake: FakeSwarm, engine: SwarmEngine) -> None:
    fake.conflicts = 2
    before = await engine.existing("lab_echo")
    assert (await engine.change("lab_echo", with_replicas(9))).version == before.version + 2
    assert len(fake.updates) == 1


async def test_a_service_that_is_not_there_cannot_be_changed(engine: SwarmEngine) -> None:
    with pytest.raises(ComposectlError, match="no service `lab_nope` in the swarm"):
        await engine.change("lab_nope", with_replicas(1))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ('This node is not a swarm manager. Use "docker swarm init" or "docker swarm join"', "docker swarm init"),
        (
            "This node is not a swarm manager. Worker nodes can't be used to view or modify it.",
            "on a manager",
        ),
    ],
)
async def test_an_engine_that_is_no_manager_is_told(
    fake: FakeSwarm, engine: SwarmEngine, words: str, hint: str
) -> None:
    fake.refusal = (503, words)
    with pytest.raises(ComposectlError, match="is no manager of a swarm") as caught:
        await engine.nodes()
    assert hint in caught.value.hint


async def test_managers_without_a_leader_are_told(fake: FakeSwarm, engine: SwarmEngine) -> None:
    fake.refusal = (503, "rpc error: code = Unknown desc = The swarm does not have a leader.")
    with pytest.raises(ComposectlError, match=r"cannot be asked at .*: the swarm has no leader"):
        await engine.tasks(service=("lab_echo",))


async def test_managers_that_hang_are_given_up(fake: FakeSwarm) -> None:
    engine = await SwarmEngine.connect(fake.endpoint, timeout=1)
    fake.mute.add("list_tasks")
    with pytest.raises(ComposectlError, match=r"cannot be asked at .*: no answer within 1 s"):
        await engine.tasks(service=("lab_echo",))


async def test_the_last_lines_of_a_task_come_from_both_streams(fake: FakeSwarm, engine: SwarmEngine) -> None:
    fake.logs["tasks/t1"] = frame("starting") + frame("oops", stream=2)
    assert await engine.task_lines("t1", 5) == ["starting", "oops"]


async def test_what_the_engine_says_of_a_node_that_is_down_is_no_output(fake: FakeSwarm, engine: SwarmEngine) -> None:
    fake.logs["tasks/t1"] = frame("starting") + frame("Error grabbing logs: incomplete log stream", stream=3)
    assert await engine.task_lines("t1", 5) == ["starting"]


async def test_the_output_of_a_terminal_has_no_frames(fake: FakeSwarm, engine: SwarmEngine) -> None:
    fake.logs["tasks/t1"] = b"starting up\r\nready\r\n"
    assert await engine.task_lines("t1", 5) == ["starting up", "ready"]


async def test_the_output_of_a_service_tells_which_task_has_printed_it(fake: FakeSwarm, engine: SwarmEngine) -> None:
    def line(second: int, task: str, text: str) -> bytes:
        details = f"com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id={task}"
        return frame(f"2026-11-29T10:00:{second:02}.000000000Z {details} {text}")

    fake.logs["services/lab_echo"] = line(3, "t2", "three four") + line(1, "t1", "one") + line(2, "t1", "")
    seen: dict[str, str] = {}
    output = await engine.service_output("lab_echo", 100)
    lines = parse_service_output(output, "echo", {"t1": 1, "t2": 2}, seen)
    assert [(found.source, found.text) for found in lines] == [
        ("echo-1", "one"),
        ("echo-1", ""),
        ("echo-2", "three four"),
    ]
    assert parse_service_output(output, "echo", {}, seen) == []
    seen["t1"] = "2026-11-29T10:00:01.000000000Z"
    assert [found.text for found in parse_service_output(output, "echo", {}, seen)] == [""]
