"""Ports in all the shapes that a compose file allows."""

from __future__ import annotations

import pytest

from tests.support.cli_error import cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.ports import free_port

SEVERAL = """\
services:
  echo:
    image: {image}
    ports:
      - "${{PORT:-{port}}}:9090"
      - "[::1]:{ipv6}:9090"
      - target: 9090
        published: {long}
        protocol: tcp
        mode: host
      - "127.0.0.1:{first}-{last}:9090"
      - "9090"
  web:
    image: {image}
    ports:
      - "127.0.0.1:{web}:9090"
"""

WITH_UDP = """\
services:
  echo:
    image: {image}
    ports:
      - "{port}:9090"
      - "127.0.0.1:{udp}:53/udp"
"""

TWICE = """\
services:
  echo:
    image: {image}
    ports: ["{port}:9090"]
  web:
    image: {image}
    ports: ["127.0.0.1:{port}:9090"]
"""


def test_each_published_port_of_two_services_has_a_listener(project: ComposeProject) -> None:
    ipv6, long, first, web = (free_port() for _ in range(4))
    project.write(SEVERAL, ipv6=ipv6, long=long, first=first, last=first + 3, web=web)
    project.run("up", "--balance", "echo=2", "--balance", "web=2", "-d")
    assert project.has_ready(2)

    listeners = project.status()["listeners"]
    assert listeners[:2] == [f"0.0.0.0:{project.port}", f"[::]:{project.port}"]
    for port, host in ((project.port, "127.0.0.1"), (ipv6, "::1"), (long, "127.0.0.1"), (first, "127.0.0.1")):
        assert ask(port, host=host).is_whole
    any_free = int(listeners[-1].rpartition(":")[2])
    assert ask(any_free).is_whole
    assert project.run("port", "web", "9090") == f"127.0.0.1:{web}\n"
    assert project.run("port", "echo", "9090") == f"0.0.0.0:{project.port}\n"
    assert project.status("web")["listeners"] == [f"127.0.0.1:{web}"]
    assert ask(web).is_whole


def test_a_udp_port_is_left_to_the_only_replica(project: ComposeProject) -> None:
    udp = free_port()
    project.write(WITH_UDP, udp=udp)
    project.run("up", "--balance", "echo=1", "-d")
    assert published(project) == [{"53/udp": [{"HostIp": "127.0.0.1", "HostPort": str(udp)}]}]
    assert ask(project.port).is_whole

    finished = project.composectl("scale", "echo=2")
    assert finished.returncode == 1
    assert f"UDP port {udp}" in finished.stderr
    assert "--drop-udp" in finished.stderr
    finished = project.composectl("rollout", "echo")
    assert finished.returncode == 1
    assert f"UDP port {udp}" in finished.stderr
    assert len(project.containers()) == 1


@pytest.mark.slow
def test_several_replicas_cannot_hold_a_udp_port_that_is_kept(project: ComposeProject) -> None:
    project.write(WITH_UDP, udp=free_port())
    error = cli_error_of(project, "up", "--balance", "echo=2", "-d")
    assert error.exit_code == 1
    assert "--drop-udp" in error.hint

    project.run("up", "--balance", "echo=2", "--drop-udp", "-d")
    assert project.has_ready(2)
    assert published(project) == [{}, {}]
    project.run("rollout", "echo", "--monitor", "0")
    assert published(project) == [{}, {}]


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_two_services_cannot_have_one_port(project: ComposeProject) -> None:
    project.write(TWICE)
    error = cli_error_of(project, "up", "--balance", "echo=2", "--balance", "web=2", "-d")
    assert error.exit_code == 1
    assert "`echo` and `web`" in error.message


def published(project: ComposeProject) -> list[dict[str, object]]:
    """What each replica publishes itself."""
    return [
        {port: where for port, where in container.attrs["NetworkSettings"]["Ports"].items() if where}
        for container in project.containers()
    ]
