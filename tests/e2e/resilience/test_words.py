"""What the engine says is cut, held back, too much, or out of date: no client of the service notices."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from tests.support.resilience import IS_LONG, Scenario
from tests.support.socket_proxy import SocketProxy
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

CUTS = 50 if IS_LONG else 10
EVENTS = 1000 if IS_LONG else 200
GHOSTS = 100 if IS_LONG else 20


@pytest.fixture
def relay(story: Scenario, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketProxy]:
    engine = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    with TemporaryDirectory() as folder:
        relay = SocketProxy(Path(engine.path), Path(folder))
        monkeypatch.setenv("DOCKER_HOST", relay.url)
        yield relay
        story.project.stop()
        relay.close()


def test_h11_an_event_stream_that_is_cut_often_costs_nothing(story: Scenario, relay: SocketProxy) -> None:
    story.serve(3)
    with story.under_load(f"stream of events cut {CUTS} times, one replica restarted meanwhile") as load:
        for number in range(CUTS):
            relay.cut()
            if number == CUTS // 2:
                story.container(2).restart(timeout=8)
        assert story.comes_to("ready", "ready", "ready")
        assert "engine unreachable" not in story.project.run("status")
    assert story.lost_nothing(load)


def test_h11_an_engine_silent_while_a_replica_stops_costs_no_get(story: Scenario, relay: SocketProxy) -> None:
    story.serve(3)
    stopped = story.container(2)
    with story.under_load("engine silent while one of three is stopped") as load:
        relay.mute()
        stopped.stop(timeout=8)
        moment = time.time()
        assert wait_until(lambda: len(list(load.since(moment))) > 200)
        relay.go_on()
        assert story.comes_to("ready", "ready")
    assert all(fate.method == "POST" for fate in load.failed), load.failed
    assert story.executed_twice() == []


def test_h13_many_events_delay_no_request(story: Scenario) -> None:
    story.serve(3)
    shouted_at = story.container(2)
    with (
        story.under_load(f"{EVENTS:,} signals to one replica that change nothing") as load,
        ThreadPoolExecutor(8) as pool,
    ):
        began = time.monotonic()
        list(pool.map(lambda _: shouted_at.kill("HUP"), range(EVENTS)))
        took = time.monotonic() - began
    assert story.lost_nothing(load)
    assert load.longest_wait < max(1, took / 2)  # on a busy machine all takes longer
    assert story.phases() == ["ready"] * 3


def test_h14_containers_gone_before_their_inspection_are_skipped(story: Scenario) -> None:
    story.serve(2)
    like = story.container(1)
    (network,) = story.project.networks()
    with story.under_load(f"{GHOSTS} containers of the service, each removed at once") as load:
        for _ in range(GHOSTS):
            ghost = story.project.engine.containers.create(
                story.image, ["sleep", "60"], labels=like.labels, network=network.name
            )
            ghost.start()
            ghost.remove(force=True)
        assert story.comes_to("ready", "ready")
    assert story.lost_nothing(load)
