"""A compose file that cannot be balanced is told so in one line, before anything is touched."""

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject

pytestmark = pytest.mark.one_process

NO_PORT = """\
services:
  echo:
    image: {image}
"""

UDP_ONLY = """\
services:
  echo:
    image: {image}
    ports:
      - "{port}:9090/udp"
"""

ON_THE_HOST = """\
services:
  echo:
    image: {image}
    network_mode: host
"""

UNCLOSED = "services: [echo"
UNKNOWN_KEY = """\
services:
  echo:
    imag: {image}
"""


@pytest.mark.parametrize("text", [NO_PORT, UDP_ONLY])
def test_a_service_without_a_tcp_port(project: ComposeProject, text: str) -> None:
    project.write(text)
    error = cli_error_of(project, "up", "--balance", "echo=2", "-d")
    assert error.exit_code == 1
    assert "`echo`" in error.message
    assert "port" in error.message


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_the_hint_for_a_service_without_a_port_is_listen(project: ComposeProject) -> None:
    project.write(NO_PORT)
    assert "--listen" in cli_error_of(project, "up", "--balance", "echo=2", "-d").hint


def test_a_service_on_the_network_of_the_host(project: ComposeProject) -> None:
    project.write(ON_THE_HOST)
    error = cli_error_of(project, "up", "--balance", "echo=2", "--listen", f"{project.port}:9090", "-d")
    assert error.exit_code == 1
    assert "network_mode: host" in error.message


@pytest.mark.parametrize("text", [UNCLOSED, UNKNOWN_KEY])
def test_a_file_that_does_not_parse(project: ComposeProject, text: str) -> None:
    project.write(text)
    cli_error_of(project, "up", "--balance", "echo=2", "-d")


def test_no_file_at_all(project: ComposeProject) -> None:
    project.file.rename(project.folder / "elsewhere")
    done = project.composectl("up", "--balance", "echo=2", "-d")
    assert done.returncode != 0
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert project.leftovers() == []
