"""Compose's own commands, typed before composectl runs, meanwhile, and after it has ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

import pytest
from docker.models.containers import Container

from composectl.engine.containers import NUMBER, SERVICE
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask, is_answered_by_docker
from tests.support.wait import wait_until

TWO_SERVICES = """\
services:
  echo:
    image: {image}
    command: [sh, -c, "echo here I am; exec serve"]
    ports:
      - "{port}:9090"
  other:
    image: {image}
    stop_grace_period: 0s
"""


@pytest.fixture
def two(project: ComposeProject) -> ComposeProject:
    """A project of two services, both brought up by plain Compose."""
    project.write(TWO_SERVICES)
    compose(project, "up", "-d")
    return project


@pytest.fixture
def balanced(two: ComposeProject) -> ComposeProject:
    """The same, three replicas of one of them balanced now."""
    two.run("up", "--balance", "echo=3", "-d")
    assert two.has_ready(3)
    return two


@pytest.mark.smoke
def test_replicas_of_plain_compose_but_the_port_s_are_adopted(two: ComposeProject) -> None:
    (holder,), (other,) = of("echo", two), of("other", two)
    two.run("up", "--balance", "echo=3", "-d")
    assert two.has_ready(3)
    assert ask(two.port).is_whole
    assert holder.id not in ids(of("echo", two))
    assert ids(of("other", two)) == {other.id}


def test_meanwhile_commands_of_plain_compose_see_the_replicas(balanced: ComposeProject) -> None:
    assert set(compose(balanced, "ps", "-q").split()) == ids(balanced.containers())
    assert compose(balanced, "-p", balanced.name, "logs", "echo").count("here I am") == 3
    (second,) = (container for container in of("echo", balanced) if container.labels[NUMBER] == "2")
    assert compose(balanced, "exec", "-T", "--index", "2", "echo", "hostname") == f"{second.id[:12]}\n"

    compose(balanced, "restart", "-t", "0", "echo")
    assert balanced.has_ready(3)
    assert ask(balanced.port).is_whole


@pytest.mark.slow
def test_meanwhile_up_brings_back_what_plain_down_took(balanced: ComposeProject) -> None:
    compose(balanced, "down", "-t", "0")
    assert (balanced.containers(), balanced.networks()) == ([], [])
    assert wait_until(lambda: balanced.status()["backends"] == [])

    balanced.run("up", "-d")
    assert balanced.has_ready(3)
    assert ask(balanced.port).is_whole


def test_meanwhile_plain_up_finds_the_port_taken_and_up_mends_it(balanced: ComposeProject) -> None:
    plain = balanced.plain_compose("up", "-d", "-t", "0")
    assert plain.returncode != 0
    assert "address already in use" in plain.stderr
    assert wait_until(lambda: balanced.status()["backends"] == [])

    balanced.run("up", "-d")
    assert balanced.has_ready(3)
    assert ask(balanced.port).is_whole
    assert {container.status for container in balanced.containers()} == {"running"}


def test_after_ctrl_c_plain_up_publishes_the_port(two: ComposeProject) -> None:
    with two.starts("up", "--balance", "echo=2") as composectl:
        assert wait_until(lambda: two.composectl("status").returncode == 0)
        assert two.has_ready(2)
        composectl.send_signal(signal.SIGINT)
        composectl.communicate(timeout=60)
    assert {container.status for container in two.containers()} == {"exited"}
    compose(two, "up", "-d")
    assert is_served_by_docker(two)


def test_after_the_background_process_up_publishes_the_port(balanced: ComposeProject) -> None:
    (lock,) = balanced.runtime.rglob("*.lock")
    os.kill(int(lock.read_text()), signal.SIGTERM)
    assert wait_until(lambda: balanced.own_leftovers() == [])
    assert len(of("echo", balanced)) == 3
    compose(balanced, "up", "-d", "-t", "0")
    assert is_served_by_docker(balanced)


def compose(project: ComposeProject, *words: str) -> str:
    """Run plain Compose, which must succeed; its standard output."""
    done = project.plain_compose(*words)
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def of(service: str, project: ComposeProject) -> list[Container]:
    return [container for container in project.containers() if container.labels[SERVICE] == service]


def ids(containers: Iterable[Container]) -> set[str | None]:
    return {container.id for container in containers}


def is_served_by_docker(project: ComposeProject) -> bool:
    """Whether one container answers at the port that it publishes itself."""
    (only,) = of("echo", project)
    (first, *_) = only.attrs["NetworkSettings"]["Ports"]["9090/tcp"]
    return int(first["HostPort"]) == project.port and wait_until(lambda: is_answered_by_docker(project.port))
