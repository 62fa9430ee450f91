"""A failure on the way says which container it was and what it said, and does not hang."""

from __future__ import annotations

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.project import Finished
from tests.support.wait import wait_until

# Nothing listens there, so that no registry is asked.
IMAGE_MISSING = """\
services:
  echo:
    image: 127.0.0.1:1/no-such-image
    ports:
      - "{port}:9090"
"""

DIES = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "echo first; echo kaboom >&2; exit 3"]
    ports:
      - "{port}:9090"
"""

DEAF = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "trap 'exit 4' TERM; echo not today; sleep 3 & wait; exit 5"]
    ports:
      - "{port}:9090"
"""

NO_SUCH_COMMAND = """\
services:
  echo:
    image: {image}
    command: ["no-such-command"]
    ports:
      - "{port}:9090"
"""

# Of all replicas only the first one finds no folder there, and serves.
ONE_SERVES = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "mkdir /gate/one && exec serve; trap 'exit 0' TERM; sleep 60 & wait"]
    volumes: ["gate:/gate"]
    ports:
      - "{port}:9090"
volumes:
  gate:
"""


@pytest.mark.smoke
def test_an_image_is_missing(project: ComposeProject) -> None:
    project.write(IMAGE_MISSING)
    failed = failure(project)
    assert "echo" in failed.stderr
    assert "connection refused" in failed.stderr
    assert project.containers() == []


def test_a_container_dies_at_once(project: ComposeProject) -> None:
    project.write(DIES)
    failed = failure(project)
    assert any(container.name in failed.stderr for container in project.containers())
    assert "exited with code 3" in failed.stderr
    assert "kaboom" in failed.stderr


@pytest.mark.slow
def test_a_container_never_listens_and_ends_after_a_while(project: ComposeProject) -> None:
    project.write(DEAF)
    failed = failure(project)
    assert "exited with code 5" in failed.stderr
    assert "not today" in failed.stderr


def test_a_container_cannot_start(project: ComposeProject) -> None:
    project.write(NO_SUCH_COMMAND)
    assert "no-such-command" in failure(project).stderr


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_composectl_ends_before_an_order_is_carried_out(project: ComposeProject) -> None:
    project.write(ONE_SERVES)
    project.run("up", "--balance", "echo=1", "-d")
    with project.starts("scale", "echo=2") as scaling:
        assert wait_until(lambda: len(project.containers()) == 2)
        project.run("down", "--volumes")
        said, _ = scaling.communicate(timeout=30)
    assert scaling.returncode == 1
    assert f"error: composectl is shutting down (project `{project.name}`)\n\nhint: start it again" in said


def failure(project: ComposeProject, *words: str) -> Finished:
    """How `up` fails; no process and no file of ours is left."""
    failed = project.composectl("up", "--balance", "echo=2", "-d", *words, timeout=60)
    assert failed.returncode != 0
    assert "error: " in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert project.composectl("status").returncode == 1
    assert wait_until(lambda: project.own_leftovers() == [])
    return failed
