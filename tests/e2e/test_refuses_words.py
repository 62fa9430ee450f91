"""What is typed wrong is told in one line, with a hint, before anything is touched."""

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject

pytestmark = pytest.mark.one_process


def test_an_unknown_service_with_the_one_that_was_meant(project: ComposeProject) -> None:
    error = cli_error_of(project, "up", "--balance", "ecoh=2", "-d")
    assert error.exit_code == 1
    assert "`ecoh`" in error.message
    assert "`echo`" in error.hint


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.parametrize("scale", ["echo=ten", "echo=-1", "echo=", "echo", "=3", "echo=1.5"])
def test_a_number_of_replicas_that_is_none(project: ComposeProject, scale: str) -> None:
    for words in (("up", "-d", "--balance", scale), ("scale", scale)):
        error = cli_error_of(project, *words)
        assert error.exit_code == 2
        assert f"`{scale}`" in error.message
        assert "echo=10" in error.hint


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_service_balanced_twice(project: ComposeProject) -> None:
    error = cli_error_of(project, "up", "--balance", "echo=1", "--balance", "echo=2", "-d")
    assert error.exit_code == 2
    assert "`echo`" in error.message


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_an_unknown_policy_an_unknown_listen_and_an_invalid_path(project: ComposeProject) -> None:
    assert cli_error_of(project, "up", "--balance", "echo=1", "--health-check-path", "healthz", "-d").exit_code == 2
    assert cli_error_of(project, "up", "--balance", "echo=1", "--policy", "lucky", "-d").exit_code == 2
    assert cli_error_of(project, "up", "--balance", "echo=1", "--listen", "http", "-d").exit_code == 2


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.parametrize(
    "words",
    [
        *(("--response-timeout", "soon"), ("--max-connections", "0"), ("--max-request-body", "big")),
        *(
            ("--trusted-proxies", "proxy"),
            ("--allowed-host", "shop:80"),
            ("--queue-timeout", "soon"),
            ("--slow-start", "0"),
        ),
    ],
)
def test_a_limit_that_is_none(project: ComposeProject, words: tuple[str, str]) -> None:
    error = cli_error_of(project, "up", "--balance", "echo=1", *words, "-d")
    assert error.exit_code == 2
    assert words[1] in error.message
    assert words[0] in error.hint


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_scale_without_a_running_composectl(project: ComposeProject) -> None:
    error = cli_error_of(project, "scale", "echo=2")
    assert error.exit_code == 1
    assert "no composectl is running" in error.message


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_scale_of_a_service_that_is_not_balanced(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")

    done = project.composectl("scale", "other=2")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "`echo`" in done.stderr


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_canary_of_several_services(project: ComposeProject) -> None:
    error = cli_error_of(project, "rollout", "echo", "other", "--canary", "10%")
    assert error.exit_code == 2
    assert error.message == "`--canary` takes one service"
