"""Nothing is lost while a service is scaled, rolled out, restarted and recreated, one after the other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.support.cpu_clock import CpuClock
from tests.support.load_generator import LoadGenerator
from tests.support.resilience import IS_LONG, Scenario
from tests.support.wait import wait_until

REQUESTS, PER_SECOND = (100_000, 1000) if IS_LONG else (10_000, 300)
STORY = "scale 2 -> 5 -> 2 -> 10 -> 3, roll out twice, restart, recreate"
SLOW_SECONDS = 5.0
READY = ("ready", "ready", "ready")


def test_h2_nothing_is_lost_while_replicas_come_and_go(story: Scenario) -> None:
    story.serve(2)
    with CpuClock() as clock, story.under_load(STORY, PER_SECOND, REQUESTS) as load:
        story.scale(5)
        with_slow_ones_in_flight(story, load, 5)
        story.scale(2)
        story.scale(10)
        with_slow_ones_in_flight(story, load, 10)
        story.scale(3)
        roll_out(story, 2)
        compose(story, "restart", "echo")
        roll_out(story, 3)
        story.write(published=False)  # the port is ours
        compose(story, "up", "-d", "--force-recreate", "--scale", "echo=3")
    assert story.lost_nothing(load)
    assert len(load.fates) >= REQUESTS
    assert max(clock.between(fate.answered - fate.late, fate.answered) for fate in load.fates) < 2


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_h1_replicas_get_requests_within_a_second_of_their_start(story: Scenario) -> None:
    with CpuClock() as clock:
        story.serve(1)
        story.scale(5)
        moments = [
            (started(story, backend), moment(backend["since"])) for backend in story.project.status()["backends"]
        ]
    seconds = [clock.between(*those) for those in moments]
    assert len(seconds) == 5
    assert max(seconds) < 1.0, moments


def started(story: Scenario, backend: Mapping[str, Any]) -> float:
    return moment(story.project.engine.containers.get(backend["id"]).attrs["State"]["StartedAt"])


def moment(text: str) -> float:
    """Epoch seconds of what is ISO 8601 but for its nanoseconds."""
    return datetime.fromisoformat(text).timestamp()


def with_slow_ones_in_flight(story: Scenario, load: LoadGenerator, requests: int) -> None:
    """As many as there are replicas: least-request gives one to each."""
    load.ask_slowly(requests, SLOW_SECONDS)
    assert wait_until(lambda: story.project.status()["totals"]["in_flight"] >= requests)


def roll_out(story: Scenario, version: int) -> None:
    story.write(f'    labels: ["version={version}"]\n')
    before = ids(story)
    story.project.run("rollout", "echo", "--monitor", "500ms")
    assert not before & ids(story)


def compose(story: Scenario, *words: str) -> None:
    """Compose does it itself, to all at once: requests wait until one is ready."""
    done = story.project.plain_compose(*words)
    assert done.returncode == 0, done.stderr
    assert story.comes_to(*READY)


def ids(story: Scenario) -> set[str | None]:
    return {container.id for container in story.project.containers()}
