"""`composectl doctor` beside a real engine and a real Compose."""

from __future__ import annotations

import re

import pytest

from tests.e2e.project import Project
from tests.e2e.rights import none_of_root

WELL = re.compile(
    r"""✓ compose     `\S+` \d+\.\d+\S*
✓ endpoint    unix://\S+, named by [^\n]+
✓ engine      \d+\.\d+\S*, API 1\.\d+ of 1\.\d+ to 1\.\d+
✓ reach       replicas are reached at their own addresses: the engine's networks answer at [\d.]+
✓ folder      \S+, for the sockets of running composectls
✓ ports       any can be listened on
✓ open files  [\d,]+, enough for [\d,]+ clients at once
"""
)
COMPOSE_MISSING = "✗ compose     neither `docker compose` nor `docker-compose` is installed\n"


def test_on_a_good_machine_all_is_well(project: Project) -> None:
    assert WELL.fullmatch(project.does("doctor", PYTHONIOENCODING="utf-8"))


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_without_compose_the_rest_is_well(project: Project) -> None:
    how = {"COMPOSECTL_COMPOSE": None, "PATH": str(project.temporary), "PYTHONIOENCODING": "utf-8"}
    found = project.composectl("doctor", **how)
    assert (found.returncode, found.stderr) == (1, "")
    assert found.stdout.startswith(COMPOSE_MISSING)
    assert found.stdout.count("✗") == 1


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_without_an_engine_the_rest_is_well(project: Project) -> None:
    found = project.composectl("doctor", DOCKER_HOST="unix:///nonexistent/docker.sock", PYTHONIOENCODING="utf-8")
    assert found.returncode == 1
    assert [line[:8] for line in found.stdout.splitlines() if line.startswith("✗")] == ["✗ engine", "✗ reach "]


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
def test_who_is_not_root_gets_no_low_ports(project: Project) -> None:
    found = project.composectl("doctor", rights=none_of_root(), PYTHONIOENCODING="utf-8")
    assert "✗ ports       those from 1024 on can be listened on\n" in found.stdout
