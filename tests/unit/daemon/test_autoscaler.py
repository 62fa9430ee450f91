"""A service with a range: what is measured leads to replicas that are made, removed, put to sleep and woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from composectl import errors
from composectl.balance.autoscale import AutoscaleConfig
from composectl.balance.lease import Lease
from composectl.balance.replica_range import ReplicaRange
from composectl.config.service import BalancingConfig
from composectl.control.commands import RolloutRequest, ScaleRequest
from composectl.daemon import sleep
from composectl.daemon.autoscaler import Autoscaling
from composectl.daemon.daemon import Daemon
from composectl.daemon.rollout import roll_out
from composectl.daemon.scaling import scale
from composectl.daemon.service import BalancedService
from composectl.proxy.limits import QueueConfig
from tests.support.fake_orchestrator import HEALTHY, NEW, UNHEALTHY, FakeOrchestrator
from tests.support.wait import wait_until_async


class Elastic:
    """The service `echo` of a daemon, under an autoscaler; time passes as the test says."""

    def __init__(self, daemon: Daemon, orchestrator: FakeOrchestrator, tasks: asyncio.TaskGroup) -> None:
        self.daemon, self.orchestrator = daemon, orchestrator
        self._now = 1000.0
        self._scaling = Autoscaling(daemon, lambda: self._now)
        self._tasks = tasks
        self._leases: list[Lease] = []

    @property
    def service(self) -> BalancedService:
        return self.daemon.services["echo"]

    @property
    def desired(self) -> int:
        return self.orchestrator.desired["echo"]

    async def seconds(self, count: int, in_flight: int | None = None) -> None:
        """Let them pass, with so many requests in flight, or as many as before."""
        if in_flight is not None:
            self.load(in_flight)
        for _ in range(count):
            self._now += 1
            self._scaling._step(self.service, self._tasks)
            await asyncio.sleep(0)
        await self.settle()

    def load(self, in_flight: int) -> None:
        while len(self._leases) > in_flight:
            self._leases.pop().answered(200, 1)
        while len(self._leases) < in_flight:
            lease = self.service.pool.leases.acquire()
            assert lease is not None
            self._leases.append(lease)

    async def settle(self) -> None:
        """Until what was begun is done."""
        for _ in range(50):
            await asyncio.sleep(0)
        await wait_until_async(lambda: not self.daemon.scaling.locked())


@pytest.fixture
async def elastic(daemon: Daemon, orchestrator: FakeOrchestrator) -> AsyncIterator[Elastic]:
    orchestrator.desired["echo"] = 2
    daemon.services["echo"].range = ReplicaRange(1, 5)
    async with asyncio.TaskGroup() as tasks:
        elastic = Elastic(daemon, orchestrator, tasks)
        yield elastic
        elastic.load(0)


async def test_it_grows_to_what_the_load_needs_and_shrinks_again(elastic: Elastic) -> None:
    await elastic.seconds(70, in_flight=40)
    assert (elastic.desired, elastic.orchestrator.log) == (4, ["scale echo=4"])
    await elastic.seconds(150, in_flight=1)
    assert elastic.desired == 1
    assert sorted(elastic.orchestrator.log[1:]) == ["remove echo-2", "remove echo-3", "remove echo-4"]
    scalings = elastic.daemon.snapshot().services[0].scalings
    assert (scalings[0].after, scalings[-1].after) == (4, 1)
    assert all("in flight over" in scaling.reason for scaling in scalings)


async def test_one_that_drains_does_not_keep_others_from_coming(elastic: Elastic) -> None:
    await elastic.seconds(70, in_flight=40)
    busy = next(backend for backend in elastic.service.pool.backends if backend.replica.number == 4)
    elastic.load(1)
    held = elastic.service.pool.leases.acquire_at(4)
    assert held is not None
    await elastic.seconds(150)
    assert (elastic.desired, busy.phase) == (1, "draining")
    await elastic.seconds(70, in_flight=30)
    assert elastic.desired >= 3
    assert elastic.orchestrator.log[-1] == f"scale echo={elastic.desired + 1}"  # with the one that drains
    held.answered(200, 1)
    await wait_until_async(lambda: "remove echo-4" in elastic.orchestrator.log)


async def test_it_leaves_a_held_canary_alone(elastic: Elastic) -> None:
    request = RolloutRequest(("echo",), NEW.decode(), monitor_seconds=0.0, canary=0.1)
    await roll_out(elastic.daemon, request, lambda _: None)
    before = list(elastic.orchestrator.log)
    await elastic.seconds(70, in_flight=50)
    assert (elastic.desired, elastic.orchestrator.log) == (2, before)


async def test_it_does_nothing_while_something_else_scales(elastic: Elastic) -> None:
    async with elastic.daemon.scaling:
        elastic.load(50)
        for _ in range(70):
            elastic._now += 1
            elastic._scaling._step(elastic.service, elastic._tasks)
        assert elastic.orchestrator.log == []
    await elastic.seconds(2)
    assert elastic.desired == 5


async def test_a_failure_is_told_and_tried_again_later(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.orchestrator.broken = errors.ComposectlError("no such image")
    await elastic.seconds(5, in_flight=50)
    assert (elastic.desired, elastic.orchestrator.log) == (2, ["scale echo=5"])
    assert capsys.readouterr().err.count("echo: it could not be scaled: no such image") == 1
    elastic.orchestrator.broken = None
    await elastic.seconds(15)
    assert (elastic.desired, elastic.orchestrator.log) == (5, ["scale echo=5", "scale echo=5"])


async def test_a_number_fixes_it_and_a_range_lets_the_load_decide_again(elastic: Elastic) -> None:
    lines: list[str] = []
    await scale(elastic.daemon, ScaleRequest({"echo": 3}), lines.append)
    await elastic.seconds(100, in_flight=50)
    assert (elastic.desired, elastic.daemon.snapshot().services[0].range) == (3, "")
    await scale(elastic.daemon, ScaleRequest({"echo": ReplicaRange(4, 6)}), lines.append)
    assert (elastic.desired, lines[-1]) == (4, "echo: 4 of 4 ready, 4..6 by load")
    await elastic.seconds(70)
    assert (elastic.desired, elastic.daemon.snapshot().services[0].range) == (5, "4..6")


# CPU and memory


def looks_at(elastic: Elastic, monkeypatch: pytest.MonkeyPatch, **config: float) -> None:
    autoscale = AutoscaleConfig(**config)  # type: ignore[arg-type]
    monkeypatch.setattr(elastic.service, "_balancing", BalancingConfig(autoscale=autoscale))


async def test_busy_cpus_ask_for_more_replicas(elastic: Elastic, monkeypatch: pytest.MonkeyPatch) -> None:
    looks_at(elastic, monkeypatch, target_cpu=0.5)
    elastic.orchestrator.cpu = 5.0  # each has used a whole CPU of the five seconds between two looks
    await elastic.seconds(70, in_flight=1)
    assert elastic.desired >= 4
    assert "of the CPUs over 60 s" in elastic.daemon.snapshot().services[0].scalings[-1].reason


async def test_no_more_come_than_fit_into_memory(elastic: Elastic, monkeypatch: pytest.MonkeyPatch) -> None:
    looks_at(elastic, monkeypatch, max_memory=0.8)
    elastic.orchestrator.used_by_each, elastic.orchestrator.memory_used = 100, (650, 1000)
    await elastic.seconds(2, in_flight=1)
    await elastic.seconds(3, in_flight=50)
    assert elastic.desired == 3
    elastic.orchestrator.memory_used = (790, 1000)
    await elastic.seconds(70)
    assert elastic.desired == 3
    elastic.orchestrator.memory_used = (100, 1000)
    await elastic.seconds(10)
    assert elastic.desired == 5


async def test_where_memory_is_not_known_that_is_said(elastic: Elastic, monkeypatch: pytest.MonkeyPatch) -> None:
    looks_at(elastic, monkeypatch, max_memory=0.8)
    await elastic.seconds(70, in_flight=50)
    assert elastic.desired == 5
    assert "`--max-memory` has no effect" in elastic.daemon.snapshot().services[0].notices[0]


async def test_without_being_asked_for_nothing_is_read(elastic: Elastic) -> None:
    await elastic.seconds(70, in_flight=50)
    assert elastic.orchestrator.looks == 0


# Sleep


@pytest.fixture
async def sleeper(elastic: Elastic) -> Elastic:
    elastic.service.range = ReplicaRange(0, 5)
    await elastic.seconds(3)
    await elastic.seconds(310, in_flight=0)
    return elastic


async def test_without_a_request_its_last_replica_is_stopped_and_kept(sleeper: Elastic) -> None:
    assert sleeper.orchestrator.log == ["remove echo-2", "stop echo"]
    view = sleeper.daemon.snapshot().services[0]
    assert (view.asleep, view.desired, view.backends) == (True, 0, ())
    assert view.scalings[-1].reason == "no request for 300 s"
    assert [replica.number for _, _, replica in sleeper.orchestrator.made] == [1]


async def test_while_it_sleeps_nothing_wakes_it_but_a_request(sleeper: Elastic) -> None:
    await sleeper.seconds(1000)
    sleeper.daemon.snapshot()
    assert "wake echo" not in sleeper.orchestrator.log


async def test_what_waits_in_the_queue_wakes_one_replica_once(
    sleeper: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(sleeper.service), "load", property(lambda _: 100))
    await sleeper.seconds(1)
    assert (sleeper.service.asleep, sleeper.service.pool.ready) == (False, 1)
    assert sleeper.orchestrator.log.count("wake echo") == 1
    assert sleeper.daemon.snapshot().services[0].scalings[-1].reason == "a request came"


async def test_a_wake_that_fails_is_tried_again(
    sleeper: Elastic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(sleeper.service), "load", property(lambda _: 1))
    sleeper.orchestrator.broken = errors.ComposectlError("no engine")
    await sleeper.seconds(5)
    assert sleeper.orchestrator.log.count("wake echo") == 1
    assert "echo: it could not be scaled: no engine" in capsys.readouterr().err
    sleeper.orchestrator.broken = None
    await sleeper.seconds(10)
    assert not sleeper.service.asleep


async def test_one_that_something_else_has_started_is_awake(sleeper: Elastic) -> None:
    sleeper.orchestrator.ended.clear()
    sleeper.orchestrator.observe(sleeper.daemon)
    await sleeper.seconds(1)
    assert (sleeper.service.asleep, sleeper.desired) == (False, 1)
    assert "wake echo" not in sleeper.orchestrator.log


async def test_where_the_orchestrator_chooses_which_replicas_go_all_of_them_do(
    elastic: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic.orchestrator, "can_choose_victim", False)
    looks_at(elastic, monkeypatch, sleep_after=30.0)
    elastic.service.range = ReplicaRange(0, 5)
    await elastic.seconds(3)
    assert elastic.service.pool.ready == 2
    await elastic.seconds(40, in_flight=0)
    assert (elastic.service.asleep, elastic.orchestrator.log) == (True, ["stop echo"])


async def test_one_that_was_paused_and_something_else_lets_go_on_is_awake(
    elastic: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic.service, "_balancing", BalancingConfig(sleep_mode="pause"))
    elastic.service.range = ReplicaRange(0, 5)
    await elastic.seconds(3)
    await elastic.seconds(310, in_flight=0)
    assert (elastic.orchestrator.log[-1], elastic.service.asleep) == ("pause echo", True)
    elastic.orchestrator.report_health("echo", UNHEALTHY)
    await elastic.seconds(10)
    assert elastic.service.asleep
    elastic.orchestrator.report_health("echo", HEALTHY)
    await elastic.seconds(1)
    assert (elastic.service.asleep, elastic.service.pool.ready) == (False, 1)
    assert "wake echo" not in elastic.orchestrator.log


async def test_one_that_goes_on_before_its_pause_is_told_of_is_awake(
    elastic: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sleep, "_PAUSE_REPORTED_WITHIN", 0.01)
    monkeypatch.setattr(elastic.orchestrator, "report_health", lambda *_: None)
    monkeypatch.setattr(elastic.service, "_balancing", BalancingConfig(sleep_mode="pause"))
    elastic.service.range = ReplicaRange(0, 5)
    await elastic.seconds(3)
    await elastic.seconds(310, in_flight=0)
    assert elastic.orchestrator.log[-1] == "pause echo"
    await elastic.seconds(1)
    assert (elastic.service.asleep, elastic.service.pool.ready) == (False, 1)
    scalings = elastic.daemon.snapshot().services[0].scalings
    assert scalings[-1].reason == "something else has started a replica"


@pytest.mark.parametrize("count", [1, 3])
async def test_a_number_wakes_it(sleeper: Elastic, count: int) -> None:
    await scale(sleeper.daemon, ScaleRequest({"echo": count}), lambda _: None)
    assert (sleeper.service.asleep, sleeper.service.pool.ready) == (False, count)
    assert "wake echo" in sleeper.orchestrator.log


async def test_a_rollout_wakes_it(sleeper: Elastic) -> None:
    request = RolloutRequest(("echo",), NEW.decode(), monitor_seconds=0.0)
    await roll_out(sleeper.daemon, request, lambda _: None)
    assert [revision for _, revision, _ in sleeper.orchestrator.made] == [NEW]
    assert not sleeper.service.asleep


async def test_without_a_queue_it_may_not_sleep(elastic: Elastic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic.service, "_balancing", BalancingConfig(queue=QueueConfig(0)))
    with pytest.raises(errors.UsageError, match=r"`echo=0\.\.3` cannot be combined with `--queue-timeout 0`"):
        await scale(elastic.daemon, ScaleRequest({"echo": ReplicaRange(0, 3)}), lambda _: None)
