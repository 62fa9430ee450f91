"""What composectl makes of a project is what Compose makes of it, but for the ports and what replicas cannot share.

The projects are in `rich`, with all that Compose files can say of a service, in all the spellings that one program
writes and another reads as something else.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from composectl.engine.containers import CONFIG_HASH, PROJECT, SERVICE
from tests.support.compose_project import ComposeProject
from tests.support.images import ECHO_IMAGE
from tests.support.ports import claim, free_port

RICH = Path(__file__).parent / "rich"
VARIABLES = """\
IMAGE={image}
PROJECT={project}
PORT={port}
OTHER={other}
SUBNET=198.{high}.{low}
NAMED=named $ 'value'
FROM_FILE_OF_VARIABLES='a$b ${{c}} "d"'
C=c
"""

# The file that the project was read from: ours came by standard input.
CONFIG_FILES = "com.docker.compose.project.config_files"
# What Compose writes into a container itself
WRITTEN = "head -c 1000 /started /inline '/etc/in line' /run/secrets/* 2>&1"
IN_ANY_ORDER = ("Aliases", "Binds", "Env", "ExtraHosts", "Ulimits")


@pytest.fixture
def rich(project: ComposeProject) -> ComposeProject:
    """A project with all the files and variables that one of `rich` names."""
    shutil.copytree(RICH, project.folder, dirs_exist_ok=True)
    values = {"image": ECHO_IMAGE, "project": project.name, "port": project.port, "other": free_port()}
    number = claim("the subnet of a rich project", range(512))
    subnet = {"high": 18 + number // 256, "low": number % 256}  # for tests (RFC 2544)
    (project.folder / ".env").write_text(VARIABLES.format(**values, **subnet))
    return project


def test_what_comes_up_differs_by_its_ports_alone(rich: ComposeProject) -> None:
    shutil.copy(RICH / "both.yml", rich.file)
    assert made_by_compose(rich) == made_by_composectl(rich)


@pytest.mark.parametrize("compose", ["v2"], indirect=True)
@pytest.mark.slow
def test_so_it_is_with_what_compose_learnt_later(rich: ComposeProject) -> None:
    shutil.copy(RICH / "newer.yml", rich.file)
    assert made_by_compose(rich) == made_by_composectl(rich)


def made_by_compose(project: ComposeProject) -> dict[str, Any]:
    done = project.plain_compose("up", "-d")
    assert done.returncode == 0, done.stderr
    made = everything(project)
    project.run("down", "--volumes", "--timeout", "0")
    return made


def made_by_composectl(project: ComposeProject) -> dict[str, Any]:
    project.run("up", "--balance", "echo=1", "-d")
    made = everything(project)
    project.run("down", "--volumes", "--timeout", "0", "--rmi", "local")
    return made


def everything(project: ComposeProject) -> dict[str, Any]:
    """All that is there of the project, but for what is new each time: containers by service, networks, volumes."""
    volumes = project.engine.volumes.list(filters={"label": f"{PROJECT}={project.name}"})
    return {
        "containers": {container.labels[SERVICE]: container_traits(container) for container in project.containers()},
        "networks": {network.name: network_traits(network) for network in project.networks()},
        "volumes": {volume.name: without(("CreatedAt",), volume.attrs) for volume in volumes},
    }


def container_traits(container: Container) -> dict[str, Any]:
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    is_balanced = container.labels[SERVICE] == "echo"
    # Ports are a part of the hash; of what is not balanced, Compose itself must see no change.
    differing = (CONFIG_FILES, CONFIG_HASH) if is_balanced else (CONFIG_FILES,)
    own = ("MacAddress",) if is_balanced else ()
    return {
        "name": container.name,
        "config": in_order(without(("Hostname", "Labels", *own), config)),
        "hostname": config["Hostname"].replace(container.short_id, ""),
        "labels": without(differing, config["Labels"]),
        "host": in_order(without(("PortBindings", "Mounts"), host)),
        "mounts": sorted(
            (mount(each) for each in container.attrs["Mounts"]), key=lambda each: str(each["Destination"])
        ),
        "asked": sorted(host.get("Mounts") or (), key=lambda each: str(each["Target"])),
        "written": container.exec_run(["sh", "-c", WRITTEN]).output,
        "networks": {
            name: endpoint(container, its, is_balanced=is_balanced)
            for name, its in container.attrs["NetworkSettings"]["Networks"].items()
        },
    }


def mount(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The name of one without a name is new each time."""
    return without(("Name", "Source"), attributes) if attributes["Destination"] == "/anonymous" else dict(attributes)


def network_traits(network: Network) -> dict[str, Any]:
    """The engine gives addresses to one that is told none."""
    new = ("Id", "Created", "Containers")
    return without(new if str(network.name).endswith("_front") else (*new, "IPAM"), network.attrs)


def endpoint(container: Container, attributes: Mapping[str, Any], *, is_balanced: bool) -> dict[str, Any]:
    """Its addresses belong to one replica, and not to a balanced service."""
    names = {name for name in attributes["Aliases"] or () if name != container.id[:12]}
    kept = ("Links", "DriverOpts") if is_balanced else ("IPAMConfig", "Links", "DriverOpts")
    return {"aliases": names} | {key: attributes[key] for key in kept}


def in_order(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Compose writes what is a mapping to it in any order."""
    return {
        key: sorted(value, key=str) if key in IN_ANY_ORDER and value else value for key, value in attributes.items()
    }


def without(keys: Collection[str], attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in keys}
