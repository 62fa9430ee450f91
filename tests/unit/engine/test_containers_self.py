"""The own container: which one it is, and what the engine says of it."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.engine.containers import PROJECT, SelfContainer, find_self_id, parse_self_container
from tests.support.fake_engine import container

ID, OTHER = "ab" * 32, "cd" * 32
ROOT = "663 648 0:37 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X"
HOSTNAME = f"664 663 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw"
HOSTS = f"665 663 254:1 /docker/containers/{ID}/hosts /etc/hosts rw - ext4 /dev/vda1 rw,discard"
OF_ANOTHER = f"666 663 254:1 /var/lib/docker/containers/{OTHER}/x-json.log /logs/one rw - ext4 /dev/vda rw"
ON_THE_HOST = f"99 27 0:50 / /var/lib/docker/containers/{OTHER}/mounts/shm rw - tmpfs shm rw,size=65536k"


@pytest.mark.parametrize("mounts", [(ROOT, HOSTNAME), (ROOT, HOSTS), (OF_ANOTHER, ROOT, HOSTNAME, HOSTS)])
def test_the_files_that_the_engine_mounts_tell_the_id(mounts: tuple[str, ...]) -> None:
    assert find_self_id("\n".join(mounts) + "\n", "shop-proxy") == ID


@pytest.mark.parametrize("mounts", [(), (ROOT,), (ON_THE_HOST,), (OF_ANOTHER,)])
def test_else_the_hostname_does_where_it_looks_like_an_id(mounts: tuple[str, ...]) -> None:
    assert find_self_id("\n".join(mounts), "0123456789ab") == "0123456789ab"


@pytest.mark.parametrize("hostname", ["", "web-1", "0123456789abc", "0123456789AB"])
def test_else_this_is_no_container(hostname: str) -> None:
    assert find_self_id(f"{ON_THE_HOST}\n", hostname) == ""


def test_the_project_the_networks_and_the_grace_period_are_told() -> None:
    networks = {"Networks": {"front": {"NetworkID": "n1"}, "back": {"NetworkID": "n2"}}}
    inspect = container(7, Config={"StopTimeout": 30}, NetworkSettings=networks)
    assert parse_self_container(inspect) == SelfContainer("shop-echo-7", "shop", frozenset({"n1", "n2"}), 30.0)


def test_a_container_that_compose_did_not_make_has_no_project() -> None:
    assert parse_self_container(container(1, Config={"Labels": {}})).project == ""
    assert parse_self_container(container(1, Labels={PROJECT: "other"})).project == "other"


@pytest.mark.parametrize(
    ("joined", "networks"),
    [({"host": {"NetworkID": "n0"}}, None), ({"none": {"NetworkID": "n9"}}, frozenset({"n9"})), (None, frozenset())],
)
def test_the_network_of_the_host_reaches_all_others(joined: Any, networks: frozenset[str] | None) -> None:
    assert parse_self_container(container(1, NetworkSettings={"Networks": joined})).networks == networks
