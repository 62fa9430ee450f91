"""What Compose is told of a project whose services are of different revisions."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from composectl.compose.argv import UpArguments
from composectl.compose.binary import Compose
from composectl.compose.client import ComposeProject
from composectl.compose.options import Options
from composectl.compose.override import PortOverrides, render
from composectl.engine.client import Engine
from composectl.orchestrator.compose import ComposeOrchestrator
from tests.support.fake_engine import FakeEngine

OLD = {
    "services": {
        "echo": {"image": "echo:1"},
        "web": {"image": "web:1", "depends_on": ["cache"], "networks": ["back"]},
        "cache": {"image": "cache:1"},
    },
    "networks": {"back": {}},
}
NEW = {"services": {"echo": {"image": "echo:2"}, "web": {"image": "web:2"}, "search": {"image": "search:2"}}}


class Machine:
    """A project on an engine of paper; Compose keeps what it is told, and does nothing."""

    def __init__(self, engine: Engine, folder: Path, named: tuple[str, ...] = ()) -> None:
        self._folder = folder
        program = folder / "compose"
        program.write_text(f'#!/bin/sh\ncat > "{folder}/project"\necho "$@" > "{folder}/words"\n')
        program.chmod(0o755)
        compose = Compose((str(program),), (2, 40, 3))
        project = ComposeProject(compose, Options(), {"PATH": os.defpath}, "shop", folder, render(OLD))
        self.orchestrator = ComposeOrchestrator(
            engine,
            None,  # type: ignore[arg-type] - it loads no project
            project,
            {"echo": 2, "web": 2},
            PortOverrides(),
            UpArguments((), named),
        )

    @property
    def services(self) -> dict[str, Any]:
        """Those that Compose has read."""
        services: dict[str, Any] = yaml.safe_load((self._folder / "project").read_text())["services"]
        return services

    @property
    def images(self) -> dict[str, str]:
        return {name: service["image"] for name, service in self.services.items()}

    @property
    def words(self) -> str:
        return (self._folder / "words").read_text().rstrip().rpartition(f"{self._folder} ")[2]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with FakeEngine(tmp_path / "docker.sock").serving() as fake:
        engine = await Engine.connect(fake.endpoint)
        yield engine
        engine.close()


@pytest.fixture
def machine(engine: Engine, tmp_path: Path) -> Machine:
    return Machine(engine, tmp_path)


async def test_before_a_rollout_the_project_stops_as_it_started(machine: Machine) -> None:
    await machine.orchestrator.stop()
    assert machine.words == "stop"
    assert machine.services == OLD["services"]


@pytest.mark.parametrize("kill", [True, False])
async def test_after_half_a_rollout_all_that_runs_is_stopped(machine: Machine, kill: bool) -> None:
    """Each service is as its replicas are, and no service of either project is left out."""
    revision = machine.orchestrator.revision(render(NEW).decode())
    machine.orchestrator.set_revision("echo", revision)
    await machine.orchestrator.stop(kill=kill)
    assert machine.words == ("kill" if kill else "stop")
    assert machine.images == {"echo": "echo:2", "web": "web:1", "cache": "cache:1", "search": "search:2"}


async def test_where_the_first_rollout_fails_all_that_runs_is_stopped(machine: Machine) -> None:
    machine.orchestrator.revision(render(NEW).decode())
    await machine.orchestrator.stop()
    assert machine.images == {"echo": "echo:1", "web": "web:1", "cache": "cache:1", "search": "search:2"}


async def test_a_service_that_left_the_files_is_stopped_too(engine: Engine, tmp_path: Path) -> None:
    machine = Machine(engine, tmp_path, named=("cache",))
    revision = machine.orchestrator.revision(render({"services": {"echo": {"image": "echo:2"}}}).decode())
    machine.orchestrator.set_revision("echo", revision)
    await machine.orchestrator.stop()
    assert machine.words == "stop cache echo web"
    assert machine.images == {"echo": "echo:2", "web": "web:1", "cache": "cache:1"}


async def test_after_half_a_rollout_scaling_keeps_each_service_alike(machine: Machine) -> None:
    machine.orchestrator.set_revision("echo", machine.orchestrator.revision(render(NEW).decode()))
    await machine.orchestrator.scale_to("web", 3)
    assert machine.images == {"echo": "echo:1", "web": "web:1", "cache": "cache:1"}
    await machine.orchestrator.scale_to("echo", 3)
    assert machine.images == {"echo": "echo:2", "web": "web:2", "search": "search:2"}
