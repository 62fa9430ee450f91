"""What Docker does to single replicas, under load: only what was in flight on a killed one may fail."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from tests.support.http_client import ask
from tests.support.resilience import IN_TURN, IS_LONG, Scenario
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

TURNS = 20 if IS_LONG else 4
CHECKED = """\
    healthcheck:
      test: ["CMD", "test", "!", "-e", "/tmp/unwell"]
      interval: 1s
      retries: 1
"""
SMALL = """\
    mem_limit: 48m
    memswap_limit: 48m
    restart: "no"
"""


def test_h5_a_killed_replica_loses_only_what_was_in_flight(story: Scenario) -> None:
    story.serve(3)
    with story.under_load("kill -9 of one of three, slow requests in flight") as load:
        load.ask_slowly(6, 12.0, "POST")
        load.ask_slowly(60, 12.0)
        assert wait_until(lambda: all(backend["in_flight"] > 20 for backend in story.project.status()["backends"]))
        doomed = story.container(2)
        doomed.kill()
        killed = time.time()
        assert story.comes_to("ready", "ready")
        assert wait_until(lambda: len(list(load.since(killed + 1))) > 200)
    assert load.failed
    assert all(fate.method == "POST" for fate in load.failed), load.failed
    assert len(load.failed) <= 6 + 16  # the slow ones, and one for each sender
    assert all(fate.sent < killed + 1 for fate in load.failed), load.failed
    assert story.executed_twice() == []


def test_h5_a_slow_request_of_a_killed_replica_is_retried(story: Scenario) -> None:
    story.serve(2)
    answers: list[int] = []
    slow = Thread(target=lambda: answers.append(ask(story.project.port, "/?sleep=6").status))
    slow.start()
    assert wait_until(lambda: story.project.status()["totals"]["in_flight"] == 1)
    busy = next(backend for backend in story.project.status()["backends"] if backend["in_flight"])
    story.container(busy["number"]).kill()
    slow.join()
    assert answers == [200]
    assert story.project.status()["totals"]["retried"] == 1


def test_h5_replicas_killed_in_turn_and_started_again_cost_no_get(story: Scenario) -> None:
    story.serve(4)
    with story.under_load("kill -9 of one of four, in turn, each started again") as load:
        for turn in range(TURNS):
            killed = story.container(turn % 4 + 1)
            killed.kill()
            moment = time.time()
            assert wait_until(lambda: len(list(load.since(moment))) > 100)  # noqa: B023
            killed.start()
            assert story.comes_to("ready", "ready", "ready", "ready")
    assert all(fate.method == "POST" for fate in load.failed), load.failed
    assert len(load.failed) <= TURNS * 8
    assert story.executed_twice() == []


def test_h5_replicas_killed_all_at_once_and_started_again_cost_no_get(story: Scenario) -> None:
    story.serve(4)
    with story.under_load("kill -9 of all four at once, started again") as load:
        killed = [story.container(number) for number in range(1, 5)]
        with ThreadPoolExecutor(4) as at_once:
            list(at_once.map(lambda container: container.kill(), killed))
            assert wait_until(lambda: story.project.status()["totals"]["queued"] > 0)
            list(at_once.map(lambda container: container.start(), killed))
        assert story.comes_to("ready", "ready", "ready", "ready")
    assert all(fate.method == "POST" for fate in load.failed), load.failed
    assert story.executed_twice() == []


def test_h8_a_replica_out_of_memory_loses_only_what_is_in_flight(story: Scenario) -> None:
    story.serve(3, more=SMALL)
    greedy = story.container(2)
    with story.under_load("out of memory, one of three") as load:
        greedy.exec_run(["sh", "-c", "wget -q -O - 'http://127.0.0.1:9090/?eat'"], detach=True)
        assert story.comes_to("ready", "ready")
        died = time.time()
    greedy.reload()
    assert greedy.attrs["State"]["OOMKilled"]
    assert all(fate.method == "POST" and fate.sent < died for fate in load.failed), load.failed
    assert story.executed_twice() == []


def test_h6_a_paused_replica_gets_nothing_until_it_goes_on(story: Scenario) -> None:
    story.serve(3, *IN_TURN)
    paused = story.container(2)
    with story.under_load("pause and unpause one of three") as load:
        paused.pause()
        assert story.comes_to("ready", "unhealthy", "ready")
        moment, address = time.time(), address_of(story, 2)
        assert wait_until(lambda: len(list(load.since(moment))) > 100)
        meanwhile = {fate.backend for fate in load.since(moment)}
        paused.unpause()
        assert story.comes_to("ready", "ready", "ready")
        moment = time.time()
        assert wait_until(lambda: address in {fate.backend for fate in load.since(moment)})
    assert address not in meanwhile
    assert story.lost_nothing(load)


def test_h7_an_unhealthy_replica_gets_nothing_until_it_is_well(story: Scenario) -> None:
    story.serve(3, more=CHECKED)
    ill = story.container(2)
    with story.under_load("unhealthy and healthy again, one of three") as load:
        ill.exec_run(["touch", "/tmp/unwell"])
        assert story.comes_to("ready", "unhealthy", "ready")
        moment, address = time.time(), address_of(story, 2)
        assert wait_until(lambda: len(list(load.since(moment))) > 100)
        assert address not in {fate.backend for fate in load.since(moment)}
        ill.exec_run(["rm", "/tmp/unwell"])
        assert story.comes_to("ready", "ready", "ready")
    assert story.lost_nothing(load)


def test_h9_a_replica_back_on_its_network_is_another_one(story: Scenario) -> None:
    story.serve(3, *IN_TURN)
    moved = story.container(2)
    (network,) = story.project.networks()
    with story.under_load("network disconnect and connect, one of three") as load:
        network.disconnect(moved)
        assert story.comes_to("ready", "ready")
        network.connect(moved)
        assert story.comes_to("ready", "ready", "ready")
        moment, address = time.time(), address_of(story, 2)
        assert wait_until(lambda: address in {fate.backend for fate in load.since(moment)})
    assert all(fate.method == "POST" for fate in load.failed), load.failed
    assert len(load.failed) <= 16
    assert story.executed_twice() == []


def test_h3_nothing_is_lost_while_replicas_restart_in_turn(story: Scenario) -> None:
    story.serve(3)
    with story.under_load("docker restart of each of three, one after the other") as load:
        for number in (1, 2, 3):
            story.container(number).restart(timeout=8)
            assert story.comes_to("ready", "ready", "ready")
    assert story.lost_nothing(load)


def test_h17_a_signal_other_than_the_stop_signal_changes_nothing(story: Scenario) -> None:
    story.serve(2, *IN_TURN)
    before = story.project.status()["changes"]
    with story.under_load("kill -s HUP of both") as load:
        for number in (1, 2):
            story.container(number).kill("HUP")
        moment = time.time()
        assert wait_until(lambda: len({fate.backend for fate in load.since(moment)}) == 2)
    assert story.lost_nothing(load)
    assert story.project.status()["changes"] == before


def address_of(story: Scenario, number: int) -> str:
    return next(backend["address"] for backend in story.project.status()["backends"] if backend["number"] == number)
