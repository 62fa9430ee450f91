"""Following the tasks of a service through everything that a swarm does to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from composectl.balance.backend import Key, Replica
from composectl.engine.swarm_client import SwarmEngine
from composectl.engine.swarm_watch import SwarmTiming, SwarmWatch
from tests.support.fake_swarm import FakeSwarm, event

QUICK = SwarmTiming(busy=0.01, unrest=0.1, waiting=0.01, calm=0.02, services=60, backoff=0.01)
SLEEPY = SwarmTiming(busy=60, unrest=60, waiting=60, calm=60, services=60, backoff=0.01)


class Story:
    """What a watch has reported: the numbers of the tasks that were listed last, and what else, in order."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.replicas: list[Replica] = []
        self.lists = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(
        self,
        engine: SwarmEngine,
        timing: SwarmTiming = QUICK,
        networks: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> AsyncIterator[Story]:
        """Watch the service `lab_echo` as `echo`."""
        running = asyncio.create_task(SwarmWatch(engine, {"echo": "lab_echo"}, self, networks, timing, clock).run())
        try:
            async with asyncio.timeout(30):
                yield self
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    @property
    def numbers(self) -> list[int]:
        return sorted(replica.number for replica in self.replicas)

    async def shows(self, *numbers: int) -> None:
        await self.until(lambda: self.numbers == [*numbers])

    async def tells(self, what: str) -> None:
        await self.until(lambda: what in self.reports)

    async def lists_again(self, times: int = 2) -> None:
        wanted = self.lists + times
        await self.until(lambda: self.lists >= wanted)

    async def until(self, true: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(true)

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        assert service == "echo"
        self.replicas = replicas
        self.lists += 1
        self._wake()

    def replica_stopping(self, service: str, container_id: str, reason: str) -> None:
        number = next(replica.number for replica in self.replicas if replica.id == container_id)
        if (report := f"{service}.{number} stopping: {reason}") not in self.reports:
            self.reports.append(report)
        self._wake()

    def replica_gone(self, service: str, key: Key, reason: str) -> None:
        raise AssertionError("tasks leave with the list")

    def engine_lost(self, reason: str) -> None:
        self.reports.append(f"lost: {reason}")
        self._wake()

    def engine_back(self) -> None:
        self.reports.append("back")
        self._wake()

    def _wake(self) -> None:
        self._waking = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@pytest.fixture(params=["20.10", "28.5"])
async def fake(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[FakeSwarm]:
    async with FakeSwarm(tmp_path / "docker.sock", request.param).serving() as swarm:
        assert isinstance(swarm, FakeSwarm)
        yield swarm


@pytest.fixture
async def engine(fake: FakeSwarm) -> SwarmEngine:
    return await SwarmEngine.connect(fake.endpoint)


STOPPING = "echo.3 stopping: its task is told to stop"


# Coming


async def test_the_running_tasks_are_listed(engine: SwarmEngine) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        assert {replica.name for replica in story.replicas} == {f"lab_echo.{slot}" for slot in range(1, 7)}


async def test_a_service_that_is_not_deployed_yet_has_no_tasks(fake: FakeSwarm, engine: SwarmEngine) -> None:
    services, fake.services = fake.services, []
    async with Story().of(engine) as story:
        await story.lists_again()
        assert story.numbers == []
        fake.services = services
        await story.shows(1, 2, 3, 4, 5, 6)
        assert story.reports == []


async def test_h23_a_task_counts_once_its_port_is_told(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        task = fake.start_task(7)
        ports = task["Status"].pop("PortStatus")
        await story.lists_again()
        assert story.numbers == [1, 2, 3, 4, 5, 6]
        task["Status"]["PortStatus"] = ports
        await story.shows(1, 2, 3, 4, 5, 6, 7)


async def test_an_event_is_a_hint_to_list_again(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine, SLEEPY) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        await fake.has_been_asked("events", 1)
        fake.start_task(7)
        await fake.say(event())
        await story.shows(1, 2, 3, 4, 5, 6, 7)


async def test_after_an_event_tasks_that_change_later_are_listed_at_once(fake: FakeSwarm, engine: SwarmEngine) -> None:
    now = 0.0
    async with Story().of(engine, replace(QUICK, unrest=5, calm=60), clock=lambda: now) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        await fake.has_been_asked("events", 1)
        now = 1000.0  # it is at rest
        await fake.say(event())
        await story.lists_again(2)
        fake.start_task(7)
        await story.shows(1, 2, 3, 4, 5, 6, 7)


async def test_an_event_of_another_service_is_no_hint(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine, SLEEPY) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        await fake.has_been_asked("events", 1)
        fake.start_task(7)
        asked = fake.asked.count("list_tasks")
        await fake.say(event(name="other"), event(name="other"), event())
        await story.shows(1, 2, 3, 4, 5, 6, 7)
        assert fake.asked.count("list_tasks") <= asked + 2


async def test_while_nothing_changes_it_waits_for_an_event(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine, replace(QUICK, unrest=0.0, calm=60)) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        await fake.has_been_asked("events", 1)
        await fake.say(event())
        await story.lists_again(1)
        seen = story.lists
        fake.start_task(7)
        await fake.say(event())
        await story.shows(1, 2, 3, 4, 5, 6, 7)
        assert story.lists <= seen + 2  # to have subscribed is a hint, too


async def test_what_ended_long_ago_is_not_asked_for(fake: FakeSwarm, engine: SwarmEngine) -> None:
    fake.start_task(1, DesiredState="shutdown")["Status"]["State"] = "shutdown"
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)


# Going


@pytest.mark.parametrize("desired_state", ["shutdown", "remove"])
async def test_h24_a_task_that_is_told_to_stop_drains_where_it_was_reached(
    fake: FakeSwarm, engine: SwarmEngine, desired_state: str
) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        before = {replica.key for replica in story.replicas}
        task = fake.stop_task(3, desired_state)
        await story.tells(STOPPING)
        await story.lists_again()
        assert {replica.key for replica in story.replicas} == before
        task["Status"]["State"] = "shutdown"
        await story.shows(1, 2, 4, 5, 6)


async def test_h25_a_task_that_the_managers_do_not_know_any_more_is_gone(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        fake.tasks.remove(fake.task(3))
        await story.shows(1, 2, 4, 5, 6)
        assert story.reports == []


async def test_h25_a_task_that_crashes_is_gone(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        fake.task(3)["Status"]["State"] = "failed"
        await story.shows(1, 2, 4, 5, 6)
        assert story.reports == []


async def test_the_tasks_of_a_service_that_is_removed_are_gone(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        fake.services, fake.tasks = [], []
        await story.shows()


async def test_a_new_task_may_have_the_number_of_one_that_leaves(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        fake.stop_task(3)
        fake.start_task(3)
        await story.shows(1, 2, 3, 3, 4, 5, 6)


# Nodes


async def test_h26_the_tasks_of_a_node_that_is_down_stay_until_swarm_replaces_them(
    fake: FakeSwarm, engine: SwarmEngine
) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        node = fake.task(3)["NodeID"]
        next(found for found in fake.nodes if found["ID"] == node)["Status"]["State"] = "down"
        await fake.say(event("node"))
        await story.lists_again()
        assert story.numbers == [1, 2, 3, 4, 5, 6]
        stopped = {slot for slot in range(1, 7) if fake.task(slot)["NodeID"] == node}
        for slot in stopped:
            fake.stop_task(slot)
        await story.until(lambda: {*story.numbers} == {*range(1, 7)} - stopped)


async def test_of_an_unknown_node_the_tasks_that_stop_are_still_known(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        for node in fake.nodes:
            node["Status"]["State"] = "unknown"
        fake.stop_task(3)
        await fake.say(event("node"))
        await story.tells(STOPPING)
        await story.lists_again()
        assert story.numbers == [1, 2, 3, 4, 5, 6]


async def test_on_a_shared_network_tasks_are_reached_at_their_own_addresses(
    fake: FakeSwarm, engine: SwarmEngine
) -> None:
    networks = frozenset(entry["Network"]["ID"] for entry in fake.task(1)["NetworksAttachments"])
    async with Story().of(engine, networks=networks) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        assert {replica.ports for replica in story.replicas} == {()}
        assert len({replica.host for replica in story.replicas}) == 6


# Without managers


async def test_h27_without_a_leader_the_last_list_stays_and_it_is_told_once(
    fake: FakeSwarm, engine: SwarmEngine
) -> None:
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        fake.refusal = (503, "rpc error: code = Unknown desc = The swarm does not have a leader.")
        for _ in range(5):
            await fake.is_asked({"list_tasks", "inspect_service"})
        assert story.numbers == [1, 2, 3, 4, 5, 6]
        (report,) = story.reports
        assert "the swarm has no leader" in report
        fake.refusal = None
        fake.stop_task(3)
        await story.tells("back")
        assert story.reports == [report, STOPPING, "back"]


async def test_h27_managers_that_hang_do_not_make_tasks_leave(fake: FakeSwarm) -> None:
    engine = await SwarmEngine.connect(fake.endpoint, timeout=1)
    async with Story().of(engine) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        fake.mute |= {"list_tasks", "list_nodes"}
        await story.until(lambda: bool(story.reports))
        await fake.is_asked(fake.mute)
        assert story.numbers == [1, 2, 3, 4, 5, 6]
        assert len(story.reports) == 1
        fake.mute.clear()
        await story.tells("back")


async def test_events_that_break_off_are_subscribed_to_again(fake: FakeSwarm, engine: SwarmEngine) -> None:
    async with Story().of(engine, SLEEPY) as story:
        await story.shows(1, 2, 3, 4, 5, 6)
        await fake.has_been_asked("events", 1)
        fake.hang_up()
        await fake.has_been_asked("events", 2)
        fake.start_task(7)
        await fake.say(event())
        await story.shows(1, 2, 3, 4, 5, 6, 7)
        assert story.reports == []
