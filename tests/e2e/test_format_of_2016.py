"""The file of the post of 2016, which has its services at the top level."""

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import burst

AS_IN_2016 = """\
echo:
  image: {image}
  ports:
    - "{port}:9090"
"""


@pytest.mark.smoke
@pytest.mark.parametrize("compose", ["1.29.2"], indirect=True)
def test_compose_1_balances_it(project: ComposeProject) -> None:
    project.write(AS_IN_2016)
    project.run("up", "--balance", "echo=3", "-d")
    assert project.has_ready(3)

    answers = burst(project.port, 60, concurrency=3)
    assert all(answer.is_whole for answer in answers)
    assert len({answer.backend for answer in answers}) == 3

    project.run("scale", "echo=1")
    assert len(project.containers()) == 1


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_compose_2_cannot_read_it_and_the_hint_says_what_to_do(project: ComposeProject) -> None:
    project.write(AS_IN_2016)

    error = cli_error_of(project, "up", "--balance", "echo=3", "-d")
    assert "services:" in error.message + error.hint
