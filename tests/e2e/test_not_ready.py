"""Replicas that are not ready in time, and every place that says why."""

from __future__ import annotations

import pytest

from composectl.control.client import running_daemons
from tests.support.command_line import command_line
from tests.support.compose_project import ComposeProject
from tests.support.http_client import ask
from tests.support.terminal import CTRL_C, Terminal
from tests.support.wait import wait_until

pytestmark = pytest.mark.parametrize("compose", ["v2"], indirect=True)

# It serves once there is a file on the volume.
AT_A_WORD = """\
services:
  echo:
    image: {image}
    command: ["sh", "-c", "echo I wait; trap 'exit 0' TERM; until [ -e /gate/open ]; do sleep 0.2; done; exec serve"]
    volumes: ["gate:/gate"]
    ports: ["{port}:9090"]
    {healthcheck}
  db:
    image: {image}
volumes:
  gate:
"""
CHECKED = (
    'healthcheck: {test: ["CMD-SHELL", "wget -q -O- 127.0.0.1:9090"],'
    " interval: 1s, timeout: 1s, retries: 1, start_period: 1s}"
)
OF_TROUBLES = """\
services:
  echo:
    image: {image}
    ports: ["{port}:9090"]
  crashes:
    image: {image}
    restart: always
    command: ["sh", "-c", "echo no disk left; exit 3"]
    ports: ["127.0.0.1::9090"]
  unchecked:
    image: {image}
    ports: ["127.0.0.1::9090"]
    healthcheck: {{test: ["CMD", "curl", "localhost:9090"], interval: 1s, start_period: 60s}}
  elsewhere:
    image: {image}
    ports: ["127.0.0.1::5858", "127.0.0.1::9090"]
  inside:
    image: {image}
    command: ["httpd", "-f", "-p", "127.0.0.1:9090"]
    ports: ["127.0.0.1::9090"]
  beside:
    image: {image}
    restart: always
    command: ["sh", "-c", "echo no password; exit 4"]
"""
ON_ANOTHER_PORT = """\
services:
  echo:
    image: {image}
    init: true
    command: ["httpd", "-f", "-p", "80"]
    ports: ["{port}:9090"]
"""
DEPENDS = """\
services:
  echo:
    image: {image}
    ports: ["{port}:9090"]
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    image: {image}
    healthcheck: {{test: ["CMD-SHELL", "pg_isready"], interval: 1s, timeout: 1s, retries: 2}}
"""
REASONS = {
    "crashes": "restarting: exit code 3, ",
    "unchecked": "HEALTHCHECK: starting, failed ",
    "elsewhere": "port 5858: Connection refused, the container listens on port 9090",
    "inside": "port 9090: Connection refused, the container listens on 127.0.0.1 alone",
}
TO_DO = {
    "unchecked": "install the command of the HEALTHCHECK in the image",
    "elsewhere": "put port 9090 first under `ports:`",
    "inside": "make it listen on 0.0.0.0, not on 127.0.0.1",
}


@pytest.mark.parametrize(
    ("healthcheck", "seconds", "words"),
    [("", 2, ["--ready-timeout", "2"]), pytest.param(CHECKED, 3, [], marks=pytest.mark.slow)],
)
@pytest.mark.slow
def test_a_slow_start_is_served_later_and_what_was_there_stays(
    project: ComposeProject, healthcheck: str, seconds: int, words: list[str]
) -> None:
    project.write(AT_A_WORD, healthcheck=healthcheck)
    compose = project.plain_compose("up", "-d", "db")
    assert compose.returncode == 0, compose.stderr
    before = running(project, "db")
    finished = project.composectl("up", "--balance", "echo=1", "-d", *words)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert f"error: 0 of 1 replica of `echo` is ready after {seconds} s\n" in finished.stderr
    assert "  | I wait\n" in finished.stderr
    assert "`up --ready-timeout 5m` waits longer" in finished.stderr
    assert running(project, "db") == before

    project.containers_of("echo")[0].exec_run("touch /gate/open")
    assert project.has_ready(1)
    assert ask(project.port).is_whole
    project.run("down", "--volumes", "--timeout", "0")


@pytest.mark.slow
def test_each_replica_that_is_not_ready_says_why(project: ComposeProject) -> None:
    project.write(OF_TROUBLES)
    balanced = [word for service in ("echo", *REASONS) for word in ("--balance", f"{service}=1")]
    finished = project.composectl("up", *balanced, "-d", "--ready-timeout", "4")
    assert finished.returncode == 1
    assert finished.stdout == f"echo: 1 replica behind 0.0.0.0:{project.port}, [::]:{project.port}\n"
    for service in REASONS:
        assert f"0 of 1 replica of `{service}` is ready after 4 s\n  {project.name}-{service}-1: " in finished.stderr
    assert ask(project.port).is_whole
    assert wait_until(lambda: set(waiting(project)) == REASONS.keys())
    assert wait_until(lambda: not_told(project.shows("status")) == []), project.shows("status")
    hints = {service: hint for service, (_, hint) in waiting(project).items() if hint}
    assert {service: hint.startswith(TO_DO[service]) for service, hint in hints.items()} == dict.fromkeys(TO_DO, True)
    (daemon,) = running_daemons(project.runtime / "composectl")
    (beside,) = daemon.status()["others"]
    assert (beside["service"], beside["exit_code"], beside["last_lines"][-1]) == ("beside", 4, "no password")
    assert not daemon.status()["services"][0]["waiting"]


@pytest.mark.slow
def test_a_rollout_says_what_its_new_replica_waits_for(project: ComposeProject) -> None:
    project.run("up", "--balance", "echo=1", "-d")
    project.write(ON_ANOTHER_PORT)
    finished = project.composectl("rollout", "echo", "--ready-timeout", "2s")
    assert finished.returncode == 1
    assert (
        "is not ready after 2 s: port 9090: Connection refused, the container listens on port 80; no output"
        in finished.stderr
    )
    assert project.has_ready(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        ("600", ["crashes-1  | no disk left", "Waiting for a replica of `crashes` to be ready, echo is ready"]),
        ("1", ["1/1 ready", "0/1 ready", "l L logs"]),
    ],
)
def test_a_terminal_shows_what_is_waited_for(project: ComposeProject, seconds: str, shown: list[str]) -> None:
    project.write(OF_TROUBLES)
    command = command_line("up", "--balance", "echo=1", "--balance", "crashes=1", "--ready-timeout", seconds)
    reasons = [f"{project.name}-crashes-1: restarting: exit code 3, ", "-beside-1: restarting: exit code 4, "]
    with Terminal(command, project.folder, project.environment(), rows=60, columns=120) as terminal:
        assert terminal.shows(lambda text: all(words in text for words in (*shown, *reasons))), terminal.screen.text
        terminal.type(CTRL_C)
        assert terminal.end() == 130


@pytest.mark.slow
def test_a_dependency_that_is_not_healthy_says_why(project: ComposeProject) -> None:
    project.write(DEPENDS)
    finished = project.composectl("up", "--balance", "echo=1", "-d")
    assert finished.returncode == 1
    assert f"\n  {project.name}-db-1: HEALTHCHECK: unhealthy, failed " in finished.stderr
    assert "pg_isready: not found\n    to do: install the command" in finished.stderr


# Private


def running(project: ComposeProject, service: str) -> list[tuple[str | None, str]]:
    return [(container.id, container.attrs["State"]["StartedAt"]) for container in project.containers_of(service)]


def waiting(project: ComposeProject) -> dict[str, tuple[str, str]]:
    """The reason and the hint of each service that is not ready, where both are as they will be."""
    (daemon,) = running_daemons(project.runtime / "composectl")
    told = {service["service"]: service["waiting"] for service in daemon.status()["services"]}
    return {
        name: (each[0]["reason"], each[0]["hint"])
        for name, each in told.items()
        if each and each[0]["reason"].startswith(REASONS[name])
    }


def not_told(said: str) -> list[str]:
    """What `status` is to say, and does not."""
    expected = [
        *(f"-{service}-1: {reason}" for service, reason in REASONS.items()),
        *(f"  to do: {hint}" for hint in TO_DO.values()),
        *("  | no disk left\n", "  | no password\n", "beside-1: restarting: exit code 4, ", "curl"),
    ]
    return [words for words in expected if words not in said]
