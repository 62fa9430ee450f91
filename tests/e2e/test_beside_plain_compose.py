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
from tests.support.wait import is_seen, wait_until

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
    depends_on: [echo]
"""

CONFIG_FILES, WORKING_DIR = "com.docker.compose.project.config_files", "com.docker.compose.project.working_dir"
"""What `docker compose ls` shows, and where Compose looks for the project."""

WATCHED = """\
services:
  echo:
    build: {{dockerfile_inline: "FROM {image}"}}
    ports:
      - "{port}:9090"
    develop:
      watch:
        - {{action: sync, path: ./src, target: /src}}
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


def test_replicas_of_plain_compose_but_the_port_s_are_adopted(two: ComposeProject) -> None:
    (holder,), (other,) = of("echo", two), of("other", two)
    two.run("up", "--balance", "echo=3", "-d")
    assert two.has_ready(3)
    assert ask(two.port).is_whole
    assert holder.id not in ids(of("echo", two))
    assert ids(of("other", two)) == {other.id}


@pytest.mark.slow
def test_meanwhile_commands_of_plain_compose_see_the_replicas(balanced: ComposeProject) -> None:
    assert set(compose(balanced, "ps", "-q").split()) == ids(balanced.containers())
    assert compose(balanced, "-p", balanced.name, "logs", "echo").count("here I am") == 3
    (second,) = (container for container in of("echo", balanced) if container.labels[NUMBER] == "2")
    assert compose(balanced, "exec", "-T", "--index", "2", "echo", "hostname") == f"{second.id[:12]}\n"
    assert {container.labels[WORKING_DIR] for container in balanced.containers()} == {str(balanced.folder)}
    assert {container.labels.get(CONFIG_FILES, "") for container in of("echo", balanced)} <= {"-", ""}

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


RECREATING = [
    ("up", "-d"),
    pytest.param(("up", "-d", "--scale", "echo=3"), marks=pytest.mark.slow),
    pytest.param(("up", "-d", "--force-recreate"), marks=pytest.mark.slow),
    pytest.param(("create",), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("words", RECREATING, ids=" ".join)
@pytest.mark.slow
def test_h22_replicas_that_plain_compose_recreates_meanwhile_are_brought_back(
    balanced: ComposeProject, words: tuple[str, ...]
) -> None:
    plain = balanced.plain_compose(*words)
    # Its `up` finds the port in use, or a container already removed that composectl has brought back.
    assert (plain.returncode == 0) == (words == ("create",)), plain.stderr
    (told,) = wait_until(lambda: lines_of_log(balanced, "another tool"))
    assert balanced.has_ready(3)
    assert ask(balanced.port).is_whole
    assert {container.status for container in of("echo", balanced)} == {"running"}
    assert told.endswith("echo: another tool has recreated its replicas; composectl brings its own 3 back")


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)  # 1.29.2 makes none that waits for a failed one
def test_h22_services_that_plain_compose_has_not_started_after_the_failure_are_started(
    balanced: ComposeProject,
) -> None:
    compose(balanced, "down", "-t", "0")
    assert balanced.plain_compose("up", "-d").returncode != 0
    assert wait_until(lambda: lines_of_log(balanced, "started what that tool has left behind: other"))
    assert balanced.has_ready(3)
    assert {container.status for container in balanced.containers()} == {"running"}


@pytest.mark.slow
def test_h22_meanwhile_commands_of_composectl_leave_the_replicas_alone(balanced: ComposeProject) -> None:
    before = ids(balanced.containers())
    balanced.run("create")
    assert balanced.run("run", "--rm", "-T", "other", "echo", "well") == "well\n"
    assert ids(balanced.containers()) == before
    assert balanced.has_ready(3)


@pytest.mark.slow
@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_h22_meanwhile_watch_syncs_into_the_replicas_as_they_are(project: ComposeProject) -> None:
    (project.folder / "src").mkdir()
    project.write(WATCHED)
    project.run("up", "--balance", "echo=3", "-d")
    assert project.has_ready(3)
    before = ids(project.containers())
    with project.starts("watch") as watching:
        assert watching.stdout
        assert any("Watch enabled" in line for line in watching.stdout)
        (project.folder / "src" / "greeting").write_text("hello")
        assert wait_until(lambda: {greeting(container) for container in project.containers()} == {b"hello"})
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=60)
    assert ids(project.containers()) == before
    assert project.has_ready(3)
    assert ask(project.port).is_whole
    (project.runtime / f"{project.name}.pid").unlink()  # Compose leaves it
    project.run("down", "--timeout", "0", "--rmi", "local")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("down", "-t", "0"), ("stop", "-t", "0"), ("rm", "-sf")], ids=" ".join)
def test_h22_what_plain_compose_takes_away_stays_away(balanced: ComposeProject, words: tuple[str, ...]) -> None:
    compose(balanced, *words)
    assert wait_until(lambda: balanced.status()["backends"] == [])
    assert not is_seen(lambda: balanced.status()["backends"], within=3)


def test_after_ctrl_c_plain_up_publishes_the_port(two: ComposeProject) -> None:
    with two.starts("up", "--balance", "echo=2") as composectl:
        assert wait_until(lambda: two.composectl("status").returncode == 0)
        assert two.has_ready(2)
        composectl.send_signal(signal.SIGINT)
        composectl.communicate(timeout=60)
    assert {container.status for container in two.containers()} == {"exited"}
    compose(two, "up", "-d")
    assert is_served_by_docker(two)


@pytest.mark.slow
def test_after_the_background_process_up_publishes_the_port(balanced: ComposeProject) -> None:
    (lock,) = balanced.runtime.rglob("*.lock")
    os.kill(int(lock.read_text()), signal.SIGTERM)
    assert wait_until(lambda: balanced.own_leftovers() == [])
    assert len(of("echo", balanced)) == 3
    compose(balanced, "up", "-d", "-t", "0")
    assert is_served_by_docker(balanced)


def lines_of_log(project: ComposeProject, text: str) -> list[str]:
    """The lines of composectl's log that have this text in them."""
    (log,) = (project.state / "composectl").glob("*.log")
    return [line for line in log.read_text().splitlines() if text in line]


def compose(project: ComposeProject, *words: str) -> str:
    """Run plain Compose, which must succeed; its standard output."""
    done = project.plain_compose(*words)
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def of(service: str, project: ComposeProject) -> list[Container]:
    return [container for container in project.containers() if container.labels[SERVICE] == service]


def ids(containers: Iterable[Container]) -> set[str | None]:
    return {container.id for container in containers}


def greeting(container: Container) -> bytes:
    """What is in the file that is watched."""
    output: bytes = container.exec_run("cat /src/greeting").output
    return output


def is_served_by_docker(project: ComposeProject) -> bool:
    """Whether one container answers at the port that it publishes itself."""
    (only,) = of("echo", project)
    (first, *_) = only.attrs["NetworkSettings"]["Ports"]["9090/tcp"]
    return int(first["HostPort"]) == project.port and wait_until(lambda: is_answered_by_docker(project.port))
