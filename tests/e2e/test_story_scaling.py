"""Nothing is lost while a service is scaled up and down, with slow requests in flight each time that replicas leave."""

from datetime import datetime

import pytest

from tests.e2e.fates import Load
from tests.e2e.patience import eventually
from tests.e2e.stories import IS_LONG, Story

REQUESTS, PER_SECOND = (100_000, 1000) if IS_LONG else (10_000, 300)
SLOW_SECONDS = 5.0


def test_h2_nothing_is_lost_while_replicas_come_and_go(story: Story) -> None:
    story.serve(2)
    with story.under_load("scale 2 -> 5 -> 2 -> 10 -> 3", PER_SECOND, REQUESTS) as load:
        story.scale(5)
        with_slow_ones_in_flight(story, load, 5)
        story.scale(2)
        story.scale(10)
        with_slow_ones_in_flight(story, load, 10)
        story.scale(3)
    assert story.lost_nothing(load)
    assert len(load.fates) >= REQUESTS
    assert load.longest_wait < 5


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_h1_replicas_get_requests_within_a_second_of_their_start(story: Story) -> None:
    story.serve(1)
    story.scale(5)
    for backend in story.project.status()["backends"]:
        started = story.project.engine.containers.get(backend["id"]).attrs["State"]["StartedAt"]
        assert moment(backend["since"]) - moment(started) < 1.0, backend


def moment(text: str) -> float:
    """Epoch seconds of what is ISO 8601 but for its nanoseconds."""
    return datetime.fromisoformat(text).timestamp()


def with_slow_ones_in_flight(story: Story, load: Load, requests: int) -> None:
    """As many as there are replicas: least-request gives one to each."""
    load.ask_slowly(requests, SLOW_SECONDS)
    assert eventually(lambda: story.project.status()["totals"]["in_flight"] >= requests)
