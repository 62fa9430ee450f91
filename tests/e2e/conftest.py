"""A real Docker Engine, both Composes, and a project to play with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from docker import DockerClient

from tests.support.compose_project import ComposeProject, NewComposeProject
from tests.support.paths import ROOT
from tests.support.resilience import Figure, Row, Scenario, keep_tables, table

COMPOSES = {
    "1.29.2": ROOT / ".tools" / "docker-compose-v1",
    "v2": ROOT / ".tools" / "docker-compose-v2",
}

ROW, FIGURE = "row of the table", "figure of the table"
ROWS = pytest.StashKey[list[Row | Figure]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []
    config.pluginmanager.register(_RowsOfReports(config.stash[ROWS]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if rows:
        terminalreporter.section("resilience")
        terminalreporter.write(table(rows))
    if rows and (page := os.environ.get("COMPOSECTL_STORIES_PAGE")):
        keep_tables(rows, Path(page))


@pytest.fixture(params=COMPOSES)
def compose(request: pytest.FixtureRequest) -> Path:
    """The Compose to use; parametrize it with `indirect` where one will do."""
    command = COMPOSES[request.param]
    if not command.exists():
        pytest.fail(f"{command} is missing; `make test` brings it", pytrace=False)
    return command


@pytest.fixture
def new_project(compose: Path, engine: DockerClient, echo_image: str) -> Iterator[NewComposeProject]:
    """Makes a project; all are taken down in the end, and nothing may be left of them."""
    projects: list[ComposeProject] = []

    def make() -> ComposeProject:
        projects.append(ComposeProject(compose, engine))
        return projects[-1]

    yield make
    for project in projects:
        project.stop()
    assert [litter for project in projects for litter in project.cleanup()] == []


@pytest.fixture
def project(new_project: NewComposeProject) -> ComposeProject:
    return new_project()


@pytest.fixture
def story(project: ComposeProject, backend_image: str, compose: Path, request: pytest.FixtureRequest) -> Scenario:
    name = next(name for name, command in COMPOSES.items() if command == compose)

    def add(row: Row) -> None:
        request.node.user_properties.append((ROW, asdict(row)))

    return Scenario(project, backend_image, name, add)


# Private


class _RowsOfReports:
    """Collects the rows from the reports: those of workers, too."""

    def __init__(self, rows: list[Row | Figure]) -> None:
        self._rows = rows

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._rows += [Row(**row) for name, row in report.user_properties if name == ROW]
            self._rows += [Figure(**figure) for name, figure in report.user_properties if name == FIGURE]
