"""Every other command is Compose's own, with its output and its exit code."""

import pytest

from tests.support.compose_project import ComposeProject

pytestmark = pytest.mark.one_process


@pytest.mark.parametrize(
    "words",
    [
        ("config",),
        ("ps", "-q"),
        ("version",),
        ("logs", "echo"),
        ("images", "-q"),
        ("port", "--index=1", "echo", "9090"),
    ],
)
def test_a_command_says_what_compose_says(project: ComposeProject, words: tuple[str, ...]) -> None:
    assert project.plain_compose("up", "-d").returncode == 0

    ours, plain = project.composectl(*words), project.plain_compose(*words)
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout)
    assert plain.stdout or words[0] == "logs"


def test_exit_codes_come_through(project: ComposeProject) -> None:
    assert project.plain_compose("up", "-d").returncode == 0

    assert project.composectl("exec", "-T", "echo", "sh", "-c", "exit 7").returncode == 7
    assert project.composectl("run", "--rm", "-T", "--no-deps", "echo", "sh", "-c", "exit 9").returncode == 9
    refused = project.composectl("logs", "no-such-service")
    assert refused.returncode == project.plain_compose("logs", "no-such-service").returncode != 0


def test_global_options_go_to_compose(project: ComposeProject) -> None:
    elsewhere = project.file.rename(project.folder / "other.yml")

    ours = project.composectl("-f", elsewhere.name, "-p", project.name, "config", "--services")
    assert (ours.returncode, ours.stdout) == (0, "echo\n")


@pytest.mark.smoke
def test_up_without_balance_is_compose_s_own(project: ComposeProject) -> None:
    project.run("up", "-d")

    assert len(project.containers()) == 1
    assert project.composectl("status").returncode == 1
