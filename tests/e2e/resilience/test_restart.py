"""Compose restarts or recreates all replicas at once, without composectl: requests wait until one is ready."""

import pytest

from tests.support.resilience import Scenario
from tests.support.wait import wait_until


def test_h3_nothing_is_lost_while_compose_restarts_all_replicas(story: Scenario) -> None:
    story.serve(3)
    with story.under_load("docker compose restart of all three") as load:
        done = story.project.plain_compose("restart", "echo")
        assert done.returncode == 0, done.stderr
        assert story.comes_to("ready", "ready", "ready")
    assert story.lost_nothing(load)


@pytest.mark.parametrize("words", [("up", "-d"), ("up", "-d", "--scale", "echo=3"), ("create",)], ids=" ".join)
def test_h22_no_request_is_lost_while_plain_compose_puts_its_own_replicas_there(
    story: Scenario, words: tuple[str, ...]
) -> None:
    story.serve(3)
    with story.under_load(f"plain `{' '.join(words)}`, and the replicas are brought back") as load:
        story.project.plain_compose(*words)
        assert wait_until(lambda: "another tool" in story.project.run("logs", "--balancer"))
        assert story.comes_to("ready", "ready", "ready")
    assert load.failed == [], load.failed
    assert story.executed_twice() == []


def test_h4_nothing_is_lost_while_compose_recreates_all_replicas(story: Scenario) -> None:
    story.serve(3)
    before = {container.id for container in story.project.containers()}
    story.write(published=False)  # the port is ours
    with story.under_load("up --force-recreate of all three") as load:
        done = story.project.plain_compose("up", "-d", "--force-recreate", "--scale", "echo=3")
        assert done.returncode == 0, done.stderr
        assert story.comes_to("ready", "ready", "ready")
    assert not before & {container.id for container in story.project.containers()}
    assert story.lost_nothing(load)
