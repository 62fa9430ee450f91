"""The shapes in each Compose, on the engine at hand."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import docker
import pytest
from docker import DockerClient

from tests.support.composes import version_of
from tests.support.paths import ROOT
from tests.support.project_shape import EVERY
from tests.support.shaped_project import ShapedProject, shaped_project

CELLS = pytest.StashKey[list[dict[str, object]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CELLS] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what became of a cell, in any of the phases of its test."""
    report = yield
    cell = getattr(item, "callspec", None) and item.callspec.params.get("cell")
    if cell:
        told = {"row": cell.row, "compose": cell.compose, "says": cell.says, "is_well": report.passed}
        item.config.stash[CELLS].append(told)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what became of the cells for `table.py`."""
    if keep := os.environ.get("COMPOSECTL_MATRIX_KEEP"):
        kept = {
            "engine": docker.from_env().version()["Version"],
            "composes": {compose: version_of(compose) for compose in EVERY},
            "cells": session.config.stash[CELLS],
        }
        Path(keep).write_text(json.dumps(kept))


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    client = docker.from_env()
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: DockerClient) -> Iterator[str]:
    """The image of `examples/echo`."""
    made = subprocess.run([ROOT / "scripts" / "busybox-image"], check=True, capture_output=True, text=True)
    name = f"composectl-matrix-echo:{os.getpid()}"
    engine.images.build(path=str(ROOT / "examples" / "echo"), tag=name, rm=True)
    yield name
    for one in (name, *made.stdout.split()):
        engine.images.remove(one, force=True)


@pytest.fixture(scope="module")
def standing(request: pytest.FixtureRequest, engine: DockerClient, image: str) -> Iterator[ShapedProject]:
    """The project of a shape, up in one Compose; nothing of it may be left in the end."""
    shape, compose = request.param
    made = shaped_project(shape, compose, engine, image)
    try:
        made.up()
        yield made
    finally:
        left = made.down()
    assert left == []
