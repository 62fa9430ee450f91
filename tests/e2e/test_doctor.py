"""All that `composectl doctor` says, for people and for machines, on a good machine and where something is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest

from tests.support.compose_project import ComposeProject
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.one_process

NO_ENGINE = "unix:///nonexistent/docker.sock"
FOUND = {
    "compose": r"`\S+` \d+\.\d+\S*",
    "endpoint": r"unix://\S+, named by .+",
    "engine": r"\d+\.\d+\S*, API 1\.\d+ of 1\.\d+ to 1\.\d+",
    "backends": r"replicas are reached at their own addresses: the engine's networks answer at [\d.]+",
    "swarm": r"none, which only `up --swarm` needs",
    "folder": r"\S+, for the sockets of running composectls",
    "ports": r"any can be listened on",
    "https": r"(80 and 443 are free|(80|443) is held by .+)",
    "tls": r"no certificate is made yet",
    "open files": r"[\d,]+, enough for [\d,]+ clients at once",
}

Missing = Mapping[str, tuple[str, str]]
"""What is not well, with its hint."""

NOTHING: Missing = {}
COMPOSE: Missing = {
    "compose": (
        "neither `docker compose` nor `docker-compose` is installed",
        "install Docker's Compose plugin, or name a Compose in COMPOSECTL_COMPOSE",
    )
}
ENGINE: Missing = {
    "engine": (f"cannot connect to the Docker Engine at {NO_ENGINE}", "is it running? try `docker info`"),
    "backends": ("not known", "fix the problems above first"),
    "swarm": ("not known", "fix the problems above first"),
}
LOW_PORTS: Missing = {
    "ports": (
        "only ports from 1024 on",
        "ports below 1024 need root or CAP_NET_BIND_SERVICE; `--listen 8080` uses another port",
    )
}


def test_on_a_good_machine_all_is_well(project: ComposeProject) -> None:
    assert tells(project, NOTHING) == 0


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_without_compose_the_rest_is_well(project: ComposeProject) -> None:
    assert tells(project, COMPOSE, COMPOSECTL_COMPOSE=None, PATH=str(project.temporary)) == 1


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_without_an_engine_the_rest_is_well(project: ComposeProject) -> None:
    assert tells(project, ENGINE, DOCKER_HOST=NO_ENGINE) == 1


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_a_user_without_root_gets_no_low_ports(project: ComposeProject) -> None:
    found = project.composectl("doctor", rights=unprivileged(), PYTHONIOENCODING="utf-8")
    assert re.search(pattern("ports", LOW_PORTS), found.stdout)


def tells(project: ComposeProject, missing: Missing, **how: str | None) -> int:
    """The exit code, once all that is told in both forms was compared."""
    expected = "".join(pattern(what, missing) for what in FOUND)
    text = project.composectl("doctor", PYTHONIOENCODING="utf-8", **how)
    assert re.fullmatch(expected, text.stdout), text.stdout

    machine = project.composectl("doctor", "--json", **how)
    report = json.loads(machine.stdout)
    assert (report["version"], report["is_well"]) == (1, not missing)
    assert re.fullmatch(expected, "".join(line(**check) for check in report["checks"])), machine.stdout

    assert (machine.returncode, machine.stderr, text.stderr) == (text.returncode, "", "")
    return text.returncode


def pattern(what: str, missing: Missing) -> str:
    """What is to be printed of it."""
    if what not in missing:
        return line(what, True, FOUND[what])
    found, hint = (re.escape(words) for words in missing[what])
    return line(what, False, found, hint)


def line(what: str, is_well: bool, found: str, hint: str = "", is_needed: bool = True) -> str:
    """A finding for machines, as it is told to people."""
    assert is_needed or is_well
    below = f"{'':14}hint: {hint}\n" if hint else ""
    return f"{'✓' if is_well else '✗'} {what:10}  {found}\n{below}"
