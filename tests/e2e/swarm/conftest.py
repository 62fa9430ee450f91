"""A lab of three hosts, and a project on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.e2e.conftest import COMPOSES, ROW
from tests.support.images import BACKEND_IMAGE
from tests.support.resilience import Row
from tests.support.swarm_lab import ENGINES, SwarmLab, swarm_lab
from tests.support.swarm_project import NETWORKS, SwarmProject, SwarmScenario

AddRow = Callable[[Row], None]


@pytest.fixture(scope="module", params=ENGINES)
def lab(request: pytest.FixtureRequest) -> Iterator[SwarmLab]:
    """With one manager."""
    with swarm_lab(request.param) as lab:
        yield lab


@pytest.fixture(params=ENGINES)
def managed_lab(request: pytest.FixtureRequest) -> Iterator[SwarmLab]:
    """With three managers, for one test."""
    with swarm_lab(request.param, managers=3) as lab:
        yield lab


@pytest.fixture(params=NETWORKS)
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
def swarm(lab: SwarmLab, network: str, newest_compose: Path, add_row: AddRow) -> Iterator[SwarmScenario]:
    yield from _scenario(lab, network, newest_compose, add_row)


@pytest.fixture
def managed_swarm(managed_lab: SwarmLab, newest_compose: Path, add_row: AddRow) -> Iterator[SwarmScenario]:
    yield from _scenario(managed_lab, "bridge", newest_compose, add_row)


# Private


def _scenario(lab: SwarmLab, network: str, compose: Path, add_row: AddRow) -> Iterator[SwarmScenario]:
    """It is taken down in the end, and nothing may be left of it on any host."""
    project = SwarmProject(compose, lab)
    yield SwarmScenario(project, network, add_row, BACKEND_IMAGE)
    project.stop()
    assert project.cleanup() == []
