"""Docker takes what each key of a compose file becomes in a stack: by each of its commands that are installed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from composectl.compose.argv import StackOptions
from composectl.compose.project import Project
from composectl.compose.stack import StackPlan
from composectl.compose.stack_client import StackClient
from tests.support.composes import command_of
from tests.support.paths import ROOT
from tests.support.project_shape import NEWEST
from tests.support.stack_project import StackProject
from tests.unit.compose.test_stack_deploy import KEPT as OF_DEPLOY
from tests.unit.compose.test_stack_service import KEPT, LEFT_OUT, REPLACED

pytestmark = pytest.mark.one_node

_FOLDERS = [ROOT / ".tools" / "modern-engine" / "usr" / "bin", *map(Path, os.environ["PATH"].split(":"))]
_OF_WINDOWS = ("credential_spec",)
DEFINITIONS: dict[str, dict[str, Any]] = {
    **{key: {key: value} for key, value in (KEPT | LEFT_OUT | REPLACED).items() if key not in _OF_WINDOWS},
    **{f"deploy-{key}": {"deploy": {key: value}} for key, value in OF_DEPLOY.items()},
    "limits": {"mem_limit": "67108864", "cpus": 0.5, "pids_limit": 100, "mem_reservation": 33554432},
    "restart": {"restart": "on-failure:3"},
    "extra_hosts": {"extra_hosts": ["somewhere=10.0.0.1", "six=::1"]},
    "ports": {"ports": ["9001:90", {"target": 91, "published": "9002", "mode": "host", "name": "a"}, "9003:53/udp"]},
    "network_mode": {"network_mode": "host"},
    "networks": {"networks": {"front": {"aliases": ["x"], "ipv4_address": "10.9.0.7", "priority": 1}}},
    "configs": {"configs": [{"source": "file", "target": "/a", "mode": "0440"}]},
    "secrets": {"secrets": [{"source": "file", "mode": "0400"}]},
    "volumes": {
        "volumes": [
            {"type": "volume", "source": "data", "target": "/a", "volume": {"nocopy": True, "subpath": "x"}},
            {"type": "bind", "source": "/tmp", "target": "/b", "bind": {"create_host_path": True, "selinux": "z"}},
            {"type": "tmpfs", "target": "/c", "tmpfs": {"size": "1048576", "mode": 493}},
        ]
    },
}


def _commands() -> dict[str, Path]:
    """The folders of the docker commands that are installed, the first of each version, by that."""
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        if (folder / "docker").exists():
            words = [f"{folder / 'docker'}", "--version"]
            version = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[2]
            found.setdefault(version.rstrip(","), folder)
    return found


COMMANDS = _commands()


@pytest.fixture
def project(engine: DockerClient) -> Iterator[StackProject]:
    made = StackProject(command_of(NEWEST), engine)
    yield made
    made.stop()
    assert made.cleanup() == []


@pytest.mark.serial  # a stack publishes fixed ports of the swarm
@pytest.mark.parametrize("version", COMMANDS)
async def test_docker_takes_each_key(
    version: str, project: StackProject, echo_image: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = {**os.environ, "PATH": f"{COMMANDS[version]}:{os.environ['PATH']}"}
    stacks = await StackClient.find(environ, tmp_path, StackOptions(resolve_image="never"))
    file = tmp_path / "file.txt"
    file.write_text("content")
    services = {
        key: {"image": echo_image, **({} if key == "deploy-mode" else {"scale": 0}), **definition}
        for key, definition in DEFINITIONS.items()
    }
    document = {
        "services": services,
        "networks": {"default": {"name": f"{project.name}_default", "ipam": {}}, "front": {"driver": "bridge"}},
        "volumes": {"data": None},
        "configs": {"file": {"file": f"{file}"}},
        "secrets": {"file": {"file": f"{file}"}},
    }
    await stacks.deploy(project.name, StackPlan({}, "node").make(Project(project.name, document), {}))
    said = capfd.readouterr().err
    assert "gnoring" not in said, said  # `Ignoring unsupported options: ...`
    made = {service.name for service in project.engine.services.list(filters=project.label)}
    assert made == {f"{project.name}_{key}" for key in services}
