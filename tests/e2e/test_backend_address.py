"""Replicas are reached at their own addresses, or at ports of the loopback address that each of them publishes."""

from __future__ import annotations

import pytest

from tests.support.cli_error import cli_error_in, cli_error_of
from tests.support.compose_project import ComposeProject
from tests.support.http_client import burst
from tests.support.load_generator import echo_load
from tests.support.ports import free_port

TWO_PORTS = """\
services:
  echo:
    image: {image}
    command: [sh, -c, "httpd -p 9091 -h /www && exec serve"]
    ports:
      - "{port}:9090"
      - "127.0.0.1:{other}:9091"
"""

LATE = """\
services:
  echo:
    image: {image}
    command: [sh, -c, "sleep 1.5; exec serve"]
    ports:
      - "{port}:9090"
"""


@pytest.mark.slow
def test_published_ports_carry_it_all(project: ComposeProject) -> None:
    finished = project.composectl("up", "--balance", "echo=3", "--backend-address", "published", "-d")
    assert finished.returncode == 0, finished.stderr
    assert "replicas are reached at ports of 127.0.0.1: as asked\n" in finished.stderr
    assert project.has_ready(3)
    assert published(project) == addresses(project)

    with echo_load(project.port, per_second=30) as load:
        project.run("scale", "echo=5")
        assert published(project) == addresses(project)
        assert len(addresses(project)) == 5
        project.run("scale", "echo=2")
        project.run("rollout", "echo", "--monitor", "0")
        assert published(project) == addresses(project)
        project.run("up", "--balance", "echo=2", "--handover", "-d")
    assert load.failed == []
    assert project.has_ready(2)
    assert {answer.backend for answer in burst(project.port, 40, concurrency=4)} == addresses(project)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_each_port_of_a_service_has_its_own(project: ComposeProject) -> None:
    project.write(TWO_PORTS, other=(other := free_port()))
    project.run("up", "--balance", "echo=2", "--backend-address", "published", "-d")
    assert project.has_ready(2)
    first, second = (
        {answer.backend for answer in burst(port, 40, concurrency=4, path="/cgi-bin/index.cgi")}
        for port in (project.port, other)
    )
    assert len(first) == len(second) == 2
    assert first.isdisjoint(second)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_replica_gets_nothing_while_only_its_relay_accepts(project: ComposeProject) -> None:
    project.write(LATE)
    project.run("up", "--balance", "echo=2", "--backend-address", "published", "-d")
    answers = burst(project.port, 40, concurrency=4)
    assert all(answer.is_whole for answer in answers)
    assert project.has_ready(2)
    assert [change["to"] for change in project.status()["changes"]] == ["ready", "ready"]


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_where_networks_answer_addresses_are_taken(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=2", "-d")
    assert published(project) == set()
    assert all(not address.startswith("127.") for address in addresses(project))


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_a_successor_reaches_them_as_they_are_made(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "--backend-address", "published", "-d")
    error = cli_error_in(
        project.composectl("up", "--balance", "echo=1", "--backend-address", "container", "--handover", "-d")
    )
    assert error.exit_code == 2
    assert "`--backend-address container`" in error.message
    assert "composectl down" in error.hint


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_way_that_is_none(project: ComposeProject) -> None:
    error = cli_error_of(project, "up", "--balance", "echo=1", "--backend-address", "publish", "-d")
    assert error.exit_code == 2
    assert error.hint == "did you mean `published`?"


def addresses(project: ComposeProject) -> set[str]:
    """Where composectl sends requests."""
    return {backend["address"] for backend in project.status()["backends"]}


def published(project: ComposeProject) -> set[str]:
    """Where the replicas publish."""
    ports = [container.attrs["NetworkSettings"]["Ports"] for container in project.containers()]
    return {
        f"{binding['HostIp']}:{binding['HostPort']}" for its in ports for ones in its.values() for binding in ones or ()
    }
