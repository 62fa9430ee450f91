"""The user's files and machine are afterwards what they were before."""

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask, is_answered_by_docker
from tests.support.wait import wait_until


@pytest.mark.smoke
def test_after_down_nothing_is_left_and_plain_compose_takes_over(project: ComposeProject) -> None:
    written = project.file.read_bytes()
    project.run("up", "--balance", "echo=3", "-d")
    assert len(project.containers()) == 3
    project.run("down")

    assert project.file.read_bytes() == written
    assert [path.name for path in project.folder.iterdir()] == [project.file.name]
    assert project.has_left_nothing()

    plain = project.plain_compose("up", "-d")
    assert plain.returncode == 0, plain.stderr
    assert wait_until(lambda: is_answered_by_docker(project.port))
    assert project.plain_compose("down").returncode == 0


def test_down_without_a_composectl_is_compose_s_own(project: ComposeProject) -> None:
    assert project.plain_compose("up", "-d").returncode == 0
    project.run("down")
    assert project.has_left_nothing()


@pytest.mark.slow
def test_up_again_after_down_works(project: ComposeProject) -> None:
    for _ in range(2):
        project.run("up", "--balance", "echo=2", "-d")
        assert ask(project.port).is_whole
        project.run("down")
