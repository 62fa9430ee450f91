"""The shapes in each Compose, on the engine at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import docker
import pytest
from docker import DockerClient

from tests.compatibility.stacks import SWARM
from tests.support.composes import version_of
from tests.support.project_shape import EVERY
from tests.support.shaped_project import ShapedProject, shaped_project

CELL = "cell of the table"
CELLS = pytest.StashKey[list[dict[str, object]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CELLS] = []
    config.pluginmanager.register(_CellsOfReports(config.stash[CELLS]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what became of a cell, in any of the phases of its test."""
    report = yield
    cell = getattr(item, "callspec", None) and item.callspec.params.get("cell")
    if cell:
        seen = {"row": cell.row, "compose": cell.compose, "says": cell.says, "is_well": report.passed}
        report.user_properties = [*report.user_properties, (CELL, seen)]
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what became of the cells for `table.py`."""
    if (keep := os.environ.get("COMPOSECTL_MATRIX_KEEP")) and "PYTEST_XDIST_WORKER" not in os.environ:
        cells = session.config.stash[CELLS]
        in_swarm = any(cell["compose"] == SWARM for cell in cells)
        kept = {
            "engine": docker.from_env().version()["Version"],
            "composes": {SWARM: SWARM} if in_swarm else {compose: version_of(compose) for compose in EVERY},
            "cells": cells,
        }
        Path(keep).write_text(json.dumps(kept))


@pytest.fixture(scope="module")
def standing(request: pytest.FixtureRequest, engine: DockerClient, echo_image: str) -> Iterator[ShapedProject]:
    """The project of a shape, up in one Compose; nothing of it may be left in the end."""
    shape, compose = request.param
    made = shaped_project(shape, compose, engine, echo_image)
    try:
        made.up()
        yield made
    finally:
        left = made.down()
    assert left == []


# Private


class _CellsOfReports:
    """Collects the cells from the reports: those of workers, too."""

    def __init__(self, cells: list[dict[str, object]]) -> None:
        self._cells = cells

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._cells += [cell for name, cell in report.user_properties if name == CELL]
