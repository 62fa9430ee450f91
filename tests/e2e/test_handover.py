"""Another composectl takes over, and no client notices."""

from __future__ import annotations

import pytest

from tests.e2e.test_rollout import ids
from tests.e2e.test_up_again import composectl_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.load_generator import LoadGenerator, echo_load
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)


def test_no_request_is_lost_and_no_container_touched(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    assert project.has_ready(2)
    old, first = ids(project), composectl_of(project)
    with echo_load(project.port, per_second=60) as load:
        for _ in range(3):
            before = composectl_of(project)
            project.run("up", "--balance", "echo=2", "--handover", "--policy", "round-robin", "-d")
            assert composectl_of(project) != before
            assert goes_on(load)
    assert load.failed == []
    assert ids(project) == old
    assert composectl_of(project) != first
    assert project.status()["policy"] == "round-robin"
    assert project.status()["listeners"] == [f"0.0.0.0:{project.port}", f"[::]:{project.port}"]


def test_where_none_runs_it_is_an_ordinary_up(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "--handover", "-d")
    assert ask(project.port).is_whole


@pytest.mark.slow
def test_it_may_change_the_scale_at_once(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")
    project.run("up", "--balance", "echo=3", "--handover", "-d")
    assert project.has_ready(3)


def goes_on(load: LoadGenerator) -> bool:
    served = len(load.backends)
    return wait_until(lambda: len(load.backends) > served + 30)
