"""Where composectl listens: where the file publishes, or where it is told to."""

import socket

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.ports import free_port

pytestmark = pytest.mark.parametrize("compose", ["1.29.2", "v2"], indirect=True)

ON_LOOPBACK = """\
services:
  echo:
    image: {image}
    ports:
      - "127.0.0.1:{port}:9090"
"""

PUBLISHES_NOTHING = """\
services:
  echo:
    image: {image}
"""


def test_without_a_host_address_it_listens_on_both_families(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")

    assert ask(project.port, host="127.0.0.1").is_whole
    assert ask(project.port, host="::1").is_whole


def test_the_host_address_of_the_file_is_honoured(project: ComposeProject) -> None:
    project.write(ON_LOOPBACK)
    project.run("up", "--balance", "echo=1", "-d")

    assert project.status()["listeners"] == [f"127.0.0.1:{project.port}"]
    assert ask(project.port, host="127.0.0.1").is_whole
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", project.port), timeout=5)


@pytest.mark.slow
def test_listen_takes_another_port_than_the_file(project: ComposeProject) -> None:
    other = free_port()
    project.run("up", "--balance", "echo=2", "--listen", f"127.0.0.1:{other}", "-d")

    assert ask(other, host="127.0.0.1").is_whole
    assert project.status()["listeners"] == [f"127.0.0.1:{other}"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", project.port), timeout=5)


def test_listen_serves_a_service_that_publishes_nothing(project: ComposeProject) -> None:
    project.write(PUBLISHES_NOTHING)
    project.run("up", "--balance", "echo=2", "--listen", f"{project.port}:9090", "-d")

    assert ask(project.port).is_whole
