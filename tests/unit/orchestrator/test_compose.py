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
from composectl.engine.containers import CONFIG_HASH, SERVICE
from composectl.orchestrator.compose import ComposeOrchestrator
from tests.support.fake_engine import FakeEngine, container

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
            {"echo": frozenset({8080})},
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
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "docker.sock").serving() as fake:
        yield fake


@pytest.fixture
async def engine(fake: FakeEngine) -> AsyncIterator[Engine]:
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


# Containers of other tools


def made(number: int, definition: str, *, port: int | None = None, status: str = "running") -> dict[str, Any]:
    """A container of this definition, which publishes this port."""
    bindings = {} if port is None else {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]}
    labels, host_config = {CONFIG_HASH: definition}, {"PortBindings": bindings}
    return container(number, Labels=labels, State={"Status": status}, HostConfig=host_config)


async def test_a_container_of_another_definition_than_those_that_were_started_is_foreign(
    machine: Machine, fake: FakeEngine
) -> None:
    fake.run(made(1, "own"), made(2, "own"))
    await machine.orchestrator.start()
    fake.run(made(2, "own", status="exited"), made(3, "other", status="created"), made(4, "other"))
    foreign = await machine.orchestrator.foreign("echo")
    runs = {int(id, 16): container.runs for id, container in foreign.items()}  # noqa: A001 - Docker's word
    assert runs == {3: False, 4: True}


async def test_a_container_that_asks_for_a_port_of_the_proxy_is_foreign_whatever_its_definition(
    machine: Machine, fake: FakeEngine
) -> None:
    """Also after a handover, when nothing is known of the definitions."""
    fake.run(made(1, "own"), made(2, "other", port=8080, status="created"), made(3, "own", port=8081))
    assert [int(id, 16) for id in await machine.orchestrator.foreign("echo")] == [2]  # noqa: A001


@pytest.mark.parametrize(
    ("asked", "published"),
    [("8080", {8080}), ("8000-8002", {8000, 8001, 8002}), ("", set()), ("0", set())],
)
async def test_the_ports_that_a_container_asks_for(
    engine: Engine, fake: FakeEngine, asked: str, published: set[int]
) -> None:
    bindings = {"80/tcp": [{"HostIp": "", "HostPort": asked}], "53/udp": [{"HostPort": "53"}], "81/tcp": None}
    fake.run(container(1, HostConfig={"PortBindings": bindings}))
    (spec,) = await engine.containers("shop", "echo")
    assert spec.published == published


async def test_only_what_was_started_is_stopped_again(machine: Machine, fake: FakeEngine) -> None:
    fake.run(container(1, Labels={SERVICE: "cache"}))
    await machine.orchestrator.start()
    fake.run(container(1, Labels={SERVICE: "cache"}), container(2), container(3, Labels={SERVICE: "web"}))
    await machine.orchestrator.stop_started()
    assert machine.words == "stop echo web"
    await machine.orchestrator.stop_started(kill=True)
    assert machine.words == "kill echo web"


async def test_where_nothing_was_started_nothing_is_stopped(machine: Machine, fake: FakeEngine) -> None:
    fake.run(container(1), container(2, Labels={SERVICE: "web"}))
    await machine.orchestrator.start()
    before = machine.words
    await machine.orchestrator.stop_started()
    assert machine.words == before
