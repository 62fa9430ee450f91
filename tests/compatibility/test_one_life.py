"""One life of a project in each Compose, whatever API the engine speaks; plain Compose began it."""

from __future__ import annotations

import pytest
from docker import DockerClient

from tests.compatibility.cases import WORKS, Cell
from tests.compatibility.rows import DOCTOR, LIFE
from tests.support.assertions import answers
from tests.support.composes import version_of
from tests.support.project_shape import EVERY, Shape
from tests.support.shaped_project import ShapedProject, shaped_project

pytestmark = pytest.mark.smoke

SIMPLE = Shape("simple", {})


@pytest.fixture
def simple(cell: Cell, engine: DockerClient, echo_image: str) -> ShapedProject:
    return shaped_project(SIMPLE, cell.compose, engine, echo_image)


@pytest.mark.parametrize("cell", [Cell(DOCTOR, compose, WORKS).param() for compose in EVERY])
def test_doctor_tells_the_api_that_was_agreed_on(cell: Cell, simple: ShapedProject, engine: DockerClient) -> None:
    it = engine.version()
    found = simple.project.run("doctor", PYTHONIOENCODING="utf-8")
    assert f"{it['Version']}, API {it['ApiVersion']} of {it['MinAPIVersion']} to {it['ApiVersion']}\n" in found
    assert version_of(cell.compose) in found
    assert simple.project.cleanup() == []


@pytest.mark.parametrize("cell", [Cell(LIFE, compose, WORKS).param() for compose in EVERY])
def test_one_life(cell: Cell, simple: ShapedProject) -> None:
    project = simple.project
    assert project.plain_compose("up", "-d").returncode == 0
    (holder,) = project.containers()
    try:
        simple.up()
        answers("<short>")(simple)
        assert holder.id not in {container.id for container in project.containers()}
        project.run("scale", "echo=3")
        before = {container.id for container in project.containers()}
        project.run("rollout", "echo", "--monitor", "0")
        after = {container.id for container in project.containers()}
        assert (len(after), before & after) == (3, set())
        answers("<short>", replicas=3)(simple)
    finally:
        left = simple.down()
    assert left == []
