"""What `doctor` finds of a swarm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from composectl.commands.doctor import Check, as_text, check_nodes, examine
from composectl.compose.options import Invocation, Options
from composectl.engine.swarm import SwarmNode
from tests.support.fake_swarm import FakeSwarm

NODE = SwarmNode("1", "n1", "10.0.0.1", "ready", "active", is_manager=True, engine="28.5.2")


def check(*nodes: SwarmNode) -> Check:
    return check_nodes([NODE, *nodes])


def test_nodes_that_are_ready_are_well() -> None:
    found = check(replace(NODE, hostname="n2", engine="20.10.24+dfsg1"))
    assert found.is_well
    assert found.found == "manager of 2 nodes, each of them ready; engine 20.10.24+dfsg1, 28.5.2"


@pytest.mark.parametrize("state", ["down", "unknown", "disconnected"])
def test_a_node_that_is_not_is_named(state: str) -> None:
    found = check(replace(NODE, hostname="n2", state=state))
    assert (found.is_well, found.is_needed) == (False, False)
    assert found.found == f"manager of 2 nodes; `n2` is {state}"
    assert found.hint == "`docker node ls` shows them"


def test_an_engine_that_is_too_old_is_named() -> None:
    found = check(replace(NODE, hostname="n2", engine="19.03.15"))
    assert found.found == "manager of 2 nodes; `n2` has 19.03.15"
    assert found.hint == "use Docker Engine 20.10 or newer on each node"


def test_a_version_that_is_none_says_nothing() -> None:
    assert check(replace(NODE, engine="dev")).is_well


async def report(folder: Path, swarm: FakeSwarm) -> str:
    environ = {"XDG_RUNTIME_DIR": str(folder), "DOCKER_HOST": swarm.endpoint.url, "PATH": str(folder)}
    async with swarm.serving():
        return as_text(await examine(Invocation(Options(), None, None, environ, folder)), "utf-8")


async def test_an_engine_in_no_swarm_is_well(tmp_path: Path) -> None:
    found = await report(tmp_path, FakeSwarm(tmp_path / "engine.sock"))
    assert "✓ swarm       none, which only `up --swarm` needs\n" in found


async def test_a_manager_tells_of_its_nodes(tmp_path: Path) -> None:
    swarm = FakeSwarm(tmp_path / "engine.sock", "20.10")
    swarm.info = {"Swarm": {"NodeID": "1", "ControlAvailable": True}}
    found = await report(tmp_path, swarm)
    assert "✓ swarm       manager of 3 nodes, each of them ready; engine 20.10.24+dfsg1\n" in found


async def test_a_worker_names_the_managers(tmp_path: Path) -> None:
    swarm = FakeSwarm(tmp_path / "engine.sock")
    swarm.info = {"Swarm": {"NodeID": "1", "RemoteManagers": [{"Addr": "10.0.0.1:2377"}]}}
    found = await report(tmp_path, swarm)
    assert (
        "✗ swarm       this node is a worker\n              hint: run `up --swarm` on a manager: 10.0.0.1:2377\n"
        in found
    )


async def test_managers_without_a_leader_are_told_of(tmp_path: Path) -> None:
    swarm = FakeSwarm(tmp_path / "engine.sock")
    swarm.info = {"Swarm": {"NodeID": "1", "ControlAvailable": True}}
    swarm.refusal = (500, "rpc error: code = Unknown desc = The swarm does not have a leader.")
    found = await report(tmp_path, swarm)
    assert f"✗ swarm       the managers of the swarm cannot be asked at {swarm.endpoint.url}" in found
