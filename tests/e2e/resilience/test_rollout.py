"""A service is rolled out under load: to what is good, and to what is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from docker import DockerClient

from tests.support.resilience import Scenario
from tests.support.rollout_recorder import RolloutRecorder

NEVER_LISTENS = """CMD ["sh", "-c", "trap 'exit 0' TERM; seq 1 11; echo not today; sleep 600 & wait"]"""
ANSWERS_500 = """\
ENV STATUS="500 Internal Server Error"
CMD ["sh", "-c", "echo I am ill; exec backend"]
"""

MakeImage = Callable[[str], str]


@pytest.fixture
def made_image(engine: DockerClient, backend_image: str) -> Iterator[MakeImage]:
    """Makes an image of the backend's and further lines of a Dockerfile."""
    made: list[str] = []

    def make(lines: str) -> str:
        made.append(f"composectl-e2e-other:{os.getpid()}-{len(made)}")
        engine.images.build(fileobj=BytesIO(f"FROM {backend_image}\n{lines}".encode()), tag=made[-1], rm=True)
        return made[-1]

    yield make
    for image in made:
        engine.images.remove(image, force=True)


def test_one_at_a_time_nothing_is_lost(made_image: MakeImage, story: Scenario) -> None:
    assert_rolled_out(made_image, story, 1)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_two_at_a_time_nothing_is_lost(made_image: MakeImage, story: Scenario) -> None:
    assert_rolled_out(made_image, story, 2)


def test_an_image_that_never_listens_is_rolled_back_without_loss(made_image: MakeImage, story: Scenario) -> None:
    story.serve(3)
    story.image = made_image(NEVER_LISTENS)
    story.write()
    with story.under_load("rollout to an image that never listens") as load:
        assert_stopped(story, "is not ready after 3 s", [*map(str, range(3, 12)), "not today"], "--ready-timeout", "3s")
    assert story.lost_nothing(load)


def test_an_image_that_answers_500_is_rolled_back(made_image: MakeImage, story: Scenario) -> None:
    story.serve(3)
    old = {backend["address"] for backend in story.project.status()["backends"]}
    story.image = made_image(ANSWERS_500)
    story.write()
    with story.under_load("rollout to an image that answers 500") as load:
        assert_stopped(story, "requests failed at", ["I am ill"], "--monitor", "30s")
    assert load.failed
    assert all(fate.trouble.startswith("500 ") and fate.backend not in old for fate in load.failed), load.failed
    assert story.executed_twice() == []
    assert load.cut == []


def assert_rolled_out(made_image: MakeImage, story: Scenario, parallel: int) -> None:
    """Never are fewer ready than wanted, nor more alive than that and those in parallel."""
    story.serve(3)
    before = ids(story)
    story.image = made_image("LABEL version=2")
    story.write()
    with story.under_load(f"rollout of all three, {parallel} at a time") as load:
        course = RolloutRecorder(story.project, 3)
        story.project.run("rollout", "echo", "--monitor", "1s", "--parallel", str(parallel))
    assert story.lost_nothing(load)
    assert before.isdisjoint(ids(story))
    assert len(ids(story)) == 3
    assert course.fewest_ready() == 3
    assert course.most_alive() == 3 + parallel


def assert_stopped(story: Scenario, why: str, log: list[str], *words: str) -> None:
    """The rollout is given up for this reason, with these last lines of the log; the old replicas serve on."""
    before, course = ids(story), RolloutRecorder(story.project, 3)
    finished = story.project.composectl("rollout", "echo", *words)
    assert finished.returncode == 1, finished.stderr
    error, _, hint = finished.stderr.partition("error: ")[2].partition("\n\nhint: ")
    assert error.startswith("rollout of `echo` aborted: ")
    assert why in error
    assert error.splitlines()[1:] == [f"  {line}" for line in log]
    assert hint == "the old replicas still serve; fix the cause and run `composectl rollout echo`\n"
    assert ids(story) == before
    assert story.phases() == ["ready"] * 3
    assert course.fewest_ready() == 3
    assert course.most_alive() == 4


def ids(story: Scenario) -> set[str | None]:
    return {container.id for container in story.project.containers()}
