"""Hosts, managers, tasks and composectl fail under load: only what was in flight on the dead may fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.test_up_again import composectl_of
from tests.support.load_generator import LoadGenerator
from tests.support.swarm_lab import SwarmLab
from tests.support.swarm_project import SwarmScenario
from tests.support.wait import wait_until

SENDERS = 16
"""Of the load: as many requests are in flight at most, beside the slow ones."""
SLOW_POSTS, SLOW_SECONDS = 9, 3.0
WITHOUT_MANAGERS = 30.0
CHECKED = """\
    healthcheck:
      test: ["CMD", "test", "!", "-e", "/tmp/unwell"]
      interval: 1s
      retries: 1
"""
READY = ["ready"] * 9


@pytest.fixture
def whole_lab(lab: SwarmLab) -> Iterator[SwarmLab]:
    """All hosts are there, before and after."""
    yield lab
    assert lab.comes_to("ready", "ready", "ready")


@pytest.mark.whole
def test_a_host_that_loses_power_costs_what_was_in_flight(whole_lab: SwarmLab, swarm: SwarmScenario) -> None:
    swarm.serve(9)
    with swarm.under_load("a host of three loses power, and gets it back", 100) as load:
        with_slow_ones_in_flight(swarm, load)
        whole_lab.kill(3)
        died = time.time()
        assert wait_until(lambda: set(swarm.by_node()) == {"host1", "host2"} and swarm.phases() == READY)
        assert swarm.goes_on(load)
        whole_lab.start(3)
        assert whole_lab.comes_to("ready", "ready", "ready")
    assert_only_posts_in_flight_failed(swarm, load, died)


@pytest.mark.whole
def test_a_host_that_is_cut_off_costs_what_was_in_flight(whole_lab: SwarmLab, swarm: SwarmScenario) -> None:
    swarm.serve(9)
    with swarm.under_load("a worker is cut off, and returns with its tasks", 100) as load:
        with_slow_ones_in_flight(swarm, load)
        whole_lab.cut(3)
        died = time.time()
        assert wait_until(lambda: set(swarm.by_node()) == {"host1", "host2"} and swarm.phases() == READY)
        assert swarm.goes_on(load)
        whole_lab.mend(3)
        assert whole_lab.comes_to("ready", "ready", "ready")
        assert swarm.goes_on(load, 300)
        assert swarm.phases() == READY
    assert_only_posts_in_flight_failed(swarm, load, died)


def test_a_killed_task_costs_what_was_in_flight(swarm: SwarmScenario) -> None:
    swarm.serve(9)
    with swarm.under_load("kill -9 of one task of nine", 100) as load:
        with_slow_ones_in_flight(swarm, load)
        doomed = swarm.project.tasks()[4]
        swarm.container(doomed).kill()
        died = time.time()
        assert wait_until(lambda: doomed["ID"] not in swarm.ids() and swarm.phases() == READY)
        assert swarm.goes_on(load)
    assert_only_posts_in_flight_failed(swarm, load, died)


def test_an_unhealthy_task_costs_nothing(swarm: SwarmScenario) -> None:
    swarm.serve(9, more=CHECKED)
    with swarm.under_load("one task of nine becomes unhealthy, and is replaced", 100) as load:
        ill = swarm.project.tasks()[4]
        swarm.container(ill).exec_run(["touch", "/tmp/unwell"])
        assert wait_until(lambda: ill["ID"] not in swarm.ids() and swarm.phases() == READY)
        assert swarm.goes_on(load)
    assert swarm.lost_nothing(load)


def test_composectl_killed_and_started_again_finds_its_tasks(swarm: SwarmScenario) -> None:
    swarm.serve(9)
    before = swarm.project.tasks()
    os.kill(composectl_of(swarm.project), signal.SIGKILL)
    swarm.up(9)
    assert swarm.project.has_ready(9)
    with swarm.under_load("after kill -9 of composectl, and up again", 100) as load:
        assert swarm.goes_on(load)
    assert swarm.lost_nothing(load)
    assert [task["ID"] for task in swarm.project.tasks()] == [task["ID"] for task in before]


@pytest.mark.whole
def test_the_death_of_the_leader_costs_what_was_in_flight(managed_swarm: SwarmScenario) -> None:
    swarm, lab = managed_swarm, managed_swarm.lab
    leader = lead_elsewhere(lab)
    # The next leader finds the node down after most of a minute.
    swarm.serve(9, "--response-timeout", "5")
    with swarm.under_load("the leader of three managers loses power, --response-timeout 5", 100) as load:
        with_slow_ones_in_flight(swarm, load)
        lab.kill(leader)
        died = time.time()
        assert wait_until(lambda: f"host{leader}" not in swarm.by_node() and swarm.phases() == READY)
        assert swarm.goes_on(load)
        swarm.scale(6)
        lab.start(leader)
        assert lab.comes_to("ready", "ready", "ready")
    assert_only_posts_in_flight_failed(swarm, load, died)


@pytest.mark.whole
def test_half_a_minute_without_managers_costs_nothing(managed_swarm: SwarmScenario) -> None:
    swarm, lab = managed_swarm, managed_swarm.lab
    swarm.serve(9)
    tasks = swarm.ids()
    with swarm.under_load("no quorum of three managers for 30 s", 100) as load:
        lab.pause(2)
        lab.pause(3)
        assert swarm.goes_on(load, int(100 * WITHOUT_MANAGERS))
        assert swarm.ids() == tasks
        assert swarm.phases() == READY
        lab.resume(2)
        lab.resume(3)
        assert lab.comes_to("ready", "ready", "ready")
        swarm.scale(6)
        assert swarm.comes_to(*["ready"] * 6)
    assert swarm.lost_nothing(load)


def with_slow_ones_in_flight(swarm: SwarmScenario, load: LoadGenerator) -> None:
    load.ask_slowly(SLOW_POSTS, SLOW_SECONDS, "POST")
    load.ask_slowly(SLOW_POSTS, SLOW_SECONDS)
    assert wait_until(lambda: swarm.project.status()["totals"]["in_flight"] >= 2 * SLOW_POSTS)


def assert_only_posts_in_flight_failed(swarm: SwarmScenario, load: LoadGenerator, died: float) -> None:
    """A request that may be sent again is; and no more fail than were in flight."""
    assert all(fate.method == "POST" for fate in load.failed), load.failed
    assert len(load.failed) <= SLOW_POSTS + SENDERS, load.failed
    assert all(fate.sent < died + 20 for fate in load.failed), load.failed
    assert swarm.executed_twice() == []


def lead_elsewhere(lab: SwarmLab) -> int:
    """Have another host than the first lead the managers; its number."""
    lab.pause(1)
    assert wait_until(lambda: lab.leader(2) > 1)
    lab.resume(1)
    assert lab.comes_to("ready", "ready", "ready")
    return lab.leader(1)
