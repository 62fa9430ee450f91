"""A lab of three hosts, and a project on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.e2e.conftest import COMPOSES, FIGURE, ROW
from tests.support.images import BACKEND_IMAGE
from tests.support.resilience import Figure, Row
from tests.support.swarm_lab import ENGINES, SwarmLab, swarm_lab
from tests.support.swarm_project import SwarmProject, SwarmScenario

AddRow = Callable[[Row], None]
AddFigure = Callable[[Figure], None]


@pytest.fixture(scope="module", params=["modern", pytest.param("system", marks=pytest.mark.whole)])
def lab(request: pytest.FixtureRequest) -> Iterator[SwarmLab]:
    """With one manager."""
    with swarm_lab(request.param) as lab:
        yield lab


@pytest.fixture(params=ENGINES)
def managed_lab(request: pytest.FixtureRequest) -> Iterator[SwarmLab]:
    """With three managers, for one test."""
    with swarm_lab(request.param, managers=3) as lab:
        yield lab


@pytest.fixture(params=["bridge", pytest.param("overlay", marks=pytest.mark.whole)])
def network(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def newest_compose() -> Path:
    command = COMPOSES["v2"]
    if not command.exists():
        pytest.fail(f"{command} is missing; `make test` brings it", pytrace=False)
    return command


@pytest.fixture
def add_row(request: pytest.FixtureRequest) -> AddRow:
    def add(row: Row) -> None:
        request.node.user_properties.append((ROW, asdict(row)))

    return add


@pytest.fixture
def add_figure(request: pytest.FixtureRequest) -> AddFigure:
    def add(figure: Figure) -> None:
        request.node.user_properties.append((FIGURE, asdict(figure)))

    return add


@pytest.fixture
def swarm_project(lab: SwarmLab, newest_compose: Path) -> Iterator[SwarmProject]:
    yield from _project(lab, newest_compose)


@pytest.fixture
def swarm(swarm_project: SwarmProject, network: str, add_row: AddRow) -> SwarmScenario:
    return SwarmScenario(swarm_project, network, add_row, BACKEND_IMAGE)


@pytest.fixture
def managed_swarm(managed_lab: SwarmLab, newest_compose: Path, add_row: AddRow) -> Iterator[SwarmScenario]:
    for project in _project(managed_lab, newest_compose):
        yield SwarmScenario(project, "bridge", add_row, BACKEND_IMAGE)


# Private


def _project(lab: SwarmLab, compose: Path) -> Iterator[SwarmProject]:
    """It is taken down in the end, and nothing may be left of it on any host."""
    project = SwarmProject(compose, lab)
    yield project
    project.stop()
    assert project.cleanup() == []
