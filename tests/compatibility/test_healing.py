"""What the Compose of Debian 13 recreates beside a running composectl is brought back, as for the others in `e2e`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.support.compose_project import ComposeProject
from tests.support.composes import command_of
from tests.support.http_client import ask
from tests.support.project_shape import V2_26
from tests.support.wait import wait_until

TOLD = "echo: another tool has recreated its replicas; composectl brings its own 3 back"


@pytest.fixture
def balanced(engine: DockerClient, echo_image: str) -> Iterator[ComposeProject]:
    """A project with three replicas behind its port; nothing of it may be left in the end."""
    project = ComposeProject(command_of(V2_26), engine)
    try:
        project.run("up", "--balance", "echo=3", "-d")
        assert project.has_ready(3)
        yield project
    finally:
        project.stop()
        left = project.cleanup()
    assert left == []


@pytest.mark.parametrize("words", [("up", "-d"), ("create",)], ids=" ".join)
def test_h22_replicas_that_compose_2_26_recreates_are_brought_back(
    balanced: ComposeProject, words: tuple[str, ...]
) -> None:
    own = {container.id for container in balanced.containers()}
    plain = balanced.plain_compose(*words)
    assert words == ("create",) or "address already in use" in plain.stderr
    (log,) = balanced.state.rglob("*.log")
    assert wait_until(lambda: log.read_text().count(TOLD) == 1)
    assert balanced.has_ready(3)
    assert wait_until(lambda: {container.status for container in balanced.containers()} == {"running"})
    assert not own & {container.id for container in balanced.containers()}
    assert ask(balanced.port).is_whole
