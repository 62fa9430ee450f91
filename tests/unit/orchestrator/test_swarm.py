"""How the swarm of a manager is found, before anything is deployed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from composectl.compose.argv import StackOptions, UpArguments
from composectl.compose.binary import Compose
from composectl.compose.client import ComposeClient
from composectl.compose.options import Invocation, Options
from composectl.compose.ports import parse_ports
from composectl.compose.project import Project
from composectl.compose.stack import DEPLOYED_BY
from composectl.errors import ComposectlError
from composectl.orchestrator.swarm import SwarmConnection
from tests.support.fake_swarm import FakeSwarm


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[FakeSwarm]:
    fake = FakeSwarm(tmp_path / "docker.sock")
    fake.info = {"Swarm": {"NodeID": "n1", "ControlAvailable": True}}
    async with fake.serving():
        yield fake


async def connection(swarm: FakeSwarm, folder: Path) -> SwarmConnection:
    """That of a user with this `docker`."""
    program = folder / "docker"
    program.write_text("#!/bin/sh\necho '  -c, --compose-file strings'\n")
    program.chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "DOCKER_HOST": swarm.endpoint.url}
    invocation = Invocation(Options(), None, None, environ, folder)
    client = ComposeClient(Compose(("compose",), (2, 40, 3)), invocation, environ)
    return await SwarmConnection.open(client, StackOptions())


@pytest.mark.parametrize(
    ("info", "hint"),
    [({}, "`docker swarm init`"), ({"NodeID": "n1", "ControlAvailable": False}, "`docker node ls` works there")],
)
async def test_an_engine_that_is_no_manager_is_refused(
    swarm: FakeSwarm, tmp_path: Path, info: dict[str, Any], hint: str
) -> None:
    swarm.info = {"Swarm": info}
    with pytest.raises(ComposectlError, match="is no manager of a swarm") as refused:
        await connection(swarm, tmp_path)
    assert hint in refused.value.hint


async def test_what_a_swarm_leaves_out_is_told_before_it_starts(swarm: FakeSwarm, tmp_path: Path) -> None:
    found = await connection(swarm, tmp_path)
    services = {"echo": {"image": "echo:1", "privileged": True, "ports": ["8080:80"]}, "rest": {"profiles": ["all"]}}
    ports = {"echo": parse_ports("8080:80")}
    orchestrator = found.orchestrator(
        Project("shop", {"services": services}), {"echo": 3}, ports, "", frozenset(), UpArguments()
    )
    assert orchestrator.notes == ("echo: `privileged` is left out: a swarm does not know it",)
    assert orchestrator.desired == {"echo": 3}
    assert orchestrator.directory == str(tmp_path)
    found.close()


async def test_a_service_is_labelled_with_the_manager(swarm: FakeSwarm, tmp_path: Path) -> None:
    found = await connection(swarm, tmp_path)
    project = Project("shop", {"services": {"echo": {"image": "echo:1"}}})
    orchestrator = found.orchestrator(project, {"echo": 1}, {}, "", frozenset(), UpArguments())
    services = orchestrator._deployment.stack.document["services"]
    assert services["echo"]["deploy"]["labels"] == {DEPLOYED_BY: "n1"}
    found.close()


async def test_what_cannot_run_there_is_refused(swarm: FakeSwarm, tmp_path: Path) -> None:
    found = await connection(swarm, tmp_path)
    project = Project("shop", {"services": {"echo": {"build": "."}}})
    with pytest.raises(ComposectlError, match="has no `image`"):
        found.orchestrator(project, {"echo": 1}, {}, "", frozenset(), UpArguments())
    found.close()
