"""The user's files and machine are afterwards what they were before."""

from tests.support.compose_project import Project
from tests.support.http_client import ask, is_answered_by_docker
from tests.support.wait import eventually


def test_after_down_nothing_is_left_and_plain_compose_takes_over(project: Project) -> None:
    written = project.file.read_bytes()
    project.does("up", "--balance", "echo=3", "-d")
    assert len(project.containers()) == 3
    project.does("down")

    assert project.file.read_bytes() == written
    assert [one.name for one in project.folder.iterdir()] == [project.file.name]
    assert project.has_left_nothing()

    plain = project.plain_compose("up", "-d")
    assert plain.returncode == 0, plain.stderr
    assert eventually(lambda: is_answered_by_docker(project.port))
    assert project.plain_compose("down").returncode == 0


def test_down_without_a_composectl_is_compose_s_own(project: Project) -> None:
    assert project.plain_compose("up", "-d").returncode == 0
    project.does("down")
    assert project.has_left_nothing()


def test_up_again_after_down_works(project: Project) -> None:
    for _ in range(2):
        project.does("up", "--balance", "echo=2", "-d")
        assert ask(project.port).is_whole
        project.does("down")
