"""Following the replicas of a project through everything that an engine does to its clients."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from composectl.balance.backend import ContainerHealth, Key, Replica
from composectl.engine.client import Engine, in_thread
from composectl.engine.containers import NUMBER, PROJECT
from composectl.engine.watch import Watch, WatchTiming
from tests.support.fake_engine import STARTED_NS, FakeEngine, at, container, disconnect, event
from tests.support.wait import wait_until_async

HASTY = WatchTiming(relist=60, debounce=0.01, first_backoff=0.01, longest_backoff=0.05, idle_timeout=60)


class Story:
    """What a watch has reported, in order."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.replicas: dict[str, list[Replica]] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, engine: Engine, timing: WatchTiming = HASTY) -> AsyncIterator[Story]:
        """Watch services `echo` and `idle` of project `shop`."""
        watch = Watch(
            engine,
            "shop",
            ("echo", "idle"),
            self,
            timing=timing,
            clock=lambda: STARTED_NS / 1e9 + 1,
        )
        running = asyncio.create_task(watch.run())
        try:
            async with asyncio.timeout(60):
                yield self
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def tells(self, what: str) -> None:
        await self.until(lambda: what in self.reports)

    async def shows(self, *numbers: int) -> None:
        await self.until(lambda: self._numbers() == [*numbers])

    async def until(self, true: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(true)

    def _numbers(self) -> list[int] | None:
        return [replica.number for replica in self.replicas["echo"]] if "echo" in self.replicas else None

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        self.replicas[service] = replicas
        self._tell(f"{service} listed")

    def replica_stopping(self, service: str, container_id: str, reason: str) -> None:
        self._tell(f"{service}-{int(container_id, 16)} stopping")

    def replica_gone(self, service: str, key: Key, reason: str) -> None:
        self._tell(f"{service}-{int(key[0], 16)} gone: {reason}")

    def engine_lost(self, reason: str) -> None:
        self._tell("engine lost")

    def engine_back(self) -> None:
        self._tell("engine back")

    def _tell(self, what: str) -> None:
        self.reports.append(what)
        self._wake = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@pytest.fixture
async def engine(fake: FakeEngine) -> Engine:
    return await Engine.connect(fake.endpoint)


# Listing


async def test_it_subscribes_before_it_lists(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1))
    async with Story().of(engine) as story:
        await story.shows(1)
    assert fake.asked == ["version", "events", "list", "inspect"]


async def test_a_service_without_replicas_is_told_too(engine: Engine) -> None:
    async with Story().of(engine) as story:
        await story.tells("idle listed")
        assert story.replicas == {"echo": [], "idle": []}


async def test_an_event_is_a_hint_to_list_again(fake: FakeEngine, engine: Engine) -> None:
    async with Story().of(engine) as story:
        await story.shows()
        fake.run(container(1), container(2))
        await fake.say(event("start", 1))
        await story.shows(1, 2)


async def test_h6_a_pause_takes_a_replica_down(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1))
    async with Story().of(engine) as story:
        await story.shows(1)
        fake.run(container(1, State={"Status": "paused"}))
        await fake.say(event("pause"))
        await story.until(lambda: story.replicas["echo"][0].health is ContainerHealth.UNHEALTHY)


async def test_h9_a_lost_network_is_a_lost_replica(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1))
    async with Story().of(engine) as story:
        await story.shows(1)
        fake.run(container(1, NetworkSettings={"Networks": {}}))
        await fake.say({"Type": "network", "Action": "disconnect", "Actor": {"Attributes": {"container": "1"}}})
        await story.shows()


async def test_h16_another_project_is_no_reason_to_list(fake: FakeEngine, engine: Engine) -> None:
    async with Story().of(engine) as story:
        await story.shows()
        await fake.say(event("start", 1, **{PROJECT: "bank"}))
        fake.run(container(2))
        await fake.say(event("start", 2))
        await story.shows(2)
    assert fake.asked.count("list") == 2


@pytest.mark.parametrize("number", ["\x1b[31m1", "1\n2", "[bold]", "9" * 10_000, "\u0663", "-1", ""])
async def test_h18_a_replica_with_odd_labels_is_followed_as_any_other(
    fake: FakeEngine, engine: Engine, number: str
) -> None:
    fake.run(container(1, Labels={NUMBER: number, "x": "y" * 10_000}, Name="/" + "n" * 10_000))
    async with Story().of(engine) as story:
        await story.until(lambda: len(story.replicas.get("echo", ())) == 1)
        assert "engine lost" not in story.reports


@pytest.mark.usefixtures("_no_collector")
async def test_h13_a_thousand_events_a_second_do_not_hold_up_the_loop(fake: FakeEngine, engine: Engine) -> None:
    fake.run(*(container(number) for number in range(1, 11)))
    turns: list[float] = []

    async def turn() -> NoReturn:
        while True:
            began = time.thread_time()  # what others do on this machine does not count
            await asyncio.sleep(0)
            turns.append(time.thread_time() - began)

    pace, began = WatchTiming(relist=60), time.monotonic()
    async with Story().of(engine, pace) as story:
        await story.shows(*range(1, 11))
        turning = asyncio.create_task(turn())
        for number in range(1, 101):
            await fake.say(*[event("health_status: healthy", n) for n in range(1, 11)])
            await wait_until_async(lambda number=number: len(turns) > 100 * number)  # type: ignore[misc]
        turning.cancel()
    assert max(turns) < 0.1
    assert fake.asked.count("list") <= 2 + (time.monotonic() - began) / pace.debounce


async def test_h11_a_list_that_hangs_is_given_up_and_made_again(fake: FakeEngine) -> None:
    engine = await Engine.connect(fake.endpoint, timeout=1)
    fake.mute.add("list")
    async with Story().of(engine) as story:
        await fake.has_been_asked("list", times=2)
        fake.run(container(1))
        fake.mute.clear()
        await story.shows(1)
    assert story.reports[:2] == ["engine lost", "engine back"]


async def test_h11_an_event_that_never_came_is_made_up_for(fake: FakeEngine, engine: Engine) -> None:
    async with Story().of(engine, WatchTiming(relist=0.02)) as story:
        await story.shows()
        fake.run(container(1))
        await story.shows(1)


async def test_h13_a_burst_of_events_is_a_handful_of_lists(fake: FakeEngine, engine: Engine) -> None:
    pace, began = WatchTiming(relist=60), time.monotonic()
    async with Story().of(engine, pace) as story:
        await story.shows()
        for _ in range(10):
            await fake.say(*[event("health_status: healthy", n) for n in range(100)])
        fake.run(container(1))
        await fake.say(event("start"))
        await story.shows(1)
    assert fake.asked.count("list") <= 2 + (time.monotonic() - began) / pace.debounce


async def test_h14_a_container_removed_after_the_list_is_passed_over(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2))
    fake.vanished.add(f"{1:064x}")
    async with Story().of(engine) as story:
        await story.shows(2)
        assert "engine lost" not in story.reports


# Leaving


async def test_a_replica_that_is_told_to_stop_leaves_before_it_ends(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2))
    async with Story().of(engine) as story:
        await story.shows(1, 2)
        await fake.say(event("kill", 2, signal="15"))
        await story.tells("echo-2 stopping")
        assert len(story.replicas["echo"]) == 2


async def test_h17_sighup_and_sigusr1_mean_nothing(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2))
    async with Story().of(engine) as story:
        await story.shows(1, 2)
        await fake.say(event("kill", 1, signal="1"), event("kill", 1, signal="10"), event("kill", 2, signal="9"))
        await story.tells("echo-2 stopping")
        assert "echo-1 stopping" not in story.reports


async def test_a_replica_stopped_before_its_first_listing_leaves_then(fake: FakeEngine, engine: Engine) -> None:
    async with Story().of(engine) as story:
        await story.shows()
        fake.run(container(1))
        await fake.say(event("kill", signal="15"))
        await story.tells("echo-1 stopping")


async def test_h8_a_replica_that_exits_by_itself_is_removed_at_once(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2))
    async with Story().of(engine, WatchTiming(debounce=60)) as story:
        await story.shows(1, 2)
        await fake.say(event("die", 2, exitCode="137"))
        await story.tells("echo-2 gone: its container stopped")


async def test_h9_a_replica_that_leaves_its_network_vanishes_at_once(fake: FakeEngine, engine: Engine) -> None:
    fake.run(at(1, "e1"), at(2, "e2"))
    async with Story().of(engine, WatchTiming(debounce=60)) as story:
        await story.shows(1, 2)
        await fake.say(disconnect(2, network="n2"), disconnect(2))
        await story.tells("echo-2 gone: its container stopped or left its network")
    assert [what for what in story.reports if " gone: " in what] == [
        "echo-2 gone: its container stopped or left its network"
    ]


async def test_h10_an_older_list_does_not_bring_a_gone_replica_back(fake: FakeEngine, engine: Engine) -> None:
    fake.run(at(1, "e1"), at(2, "e2"))
    async with Story().of(engine) as story:
        await story.shows(1, 2)
        await fake.say(disconnect(2))
        await story.shows(1)
        fake.run(at(1, "e1"), at(2, "e3"))
        await fake.say(event("start"))
        await story.shows(1, 2)


# Ending


async def test_cancelling_it_ends_the_thread_that_reads(engine: Engine) -> None:
    async with Story().of(engine) as story:
        await story.shows()
        readers = [thread for thread in threading.enumerate() if thread.name == "engine events"]
    for reader in readers:
        await in_thread(partial(reader.join, 60))
    assert [reader.is_alive() for reader in readers] == [False]


# Losing the engine


async def test_h11_a_stream_cut_within_an_event_is_taken_up_again(fake: FakeEngine, engine: Engine) -> None:
    async with Story().of(engine) as story:
        await story.shows()
        await fake.write(b'{"Type": "conta')
        fake.run(container(1))
        fake.hang_up()
        await story.shows(1)
    assert [what for what in story.reports if what.startswith("engine")] == ["engine lost", "engine back"]


async def test_h11_what_happened_in_between_is_asked_for(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2))
    async with Story().of(engine) as story:
        await story.shows(1, 2)
        await fake.say(event("kill", 1, signal="15"))
        await story.tells("echo-1 stopping")
        fake.hang_up()
        await story.tells("engine back")
    assert fake.since == ["", str(event("kill")["time"])]


async def test_h11_a_quiet_stream_is_renewed_in_silence(fake: FakeEngine, engine: Engine) -> None:
    async with Story().of(engine, WatchTiming(relist=60, idle_timeout=1.0)) as story:
        await fake.has_been_asked("events", times=3)
    assert "engine lost" not in story.reports


async def test_h11_a_failing_list_is_tried_until_it_succeeds(fake: FakeEngine, engine: Engine) -> None:
    fake.broken.add("list")
    async with Story().of(engine) as story:
        await fake.has_been_asked("list", times=5)
        fake.run(container(1))
        fake.broken.clear()
        await story.shows(1)
    assert story.reports[:2] == ["engine lost", "engine back"]


async def test_h11_a_refused_subscription_is_tried_until_it_succeeds(fake: FakeEngine, engine: Engine) -> None:
    fake.broken.add("events")
    async with Story().of(engine) as story:
        await fake.has_been_asked("events", times=5)
        fake.broken.clear()
        await story.shows()
    assert story.reports[:2] == ["engine lost", "engine back"]


async def test_h12_an_engine_that_comes_back_at_a_new_socket_is_found(tmp_path: Path) -> None:
    socket, story = tmp_path / "docker.sock", Story()
    async with FakeEngine(socket).serving() as before:
        engine = await Engine.connect(before.endpoint)
        watching = story.of(engine)
        await watching.__aenter__()
        await story.shows()
    await story.tells("engine lost")
    after = FakeEngine(socket)
    after.run(container(1))
    async with after.serving():
        await story.shows(1)
        await watching.__aexit__(None, None, None)
