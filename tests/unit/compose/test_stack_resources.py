"""The networks, volumes, configs and secrets of a stack."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.compose.project import Project
from composectl.compose.stack_resources import used_resources
from composectl.errors import ComposectlError

USES: dict[str, Any] = {
    "networks": {"one": None},
    "volumes": [{"type": "volume", "source": "one", "target": "/data"}],
    "configs": [{"source": "one"}],
    "secrets": ["one"],
}


def rendered(section: str, **definition: Any) -> tuple[Any, list[str]]:
    """A section with `one` thing that a service uses, and what is told of it."""
    project = Project("shop", {section: {"one": definition}})
    sections, told = used_resources(project, {"echo": {section: USES[section]}})
    return sections[section]["one"], told


KEPT: list[tuple[str, dict[str, Any]]] = [
    ("networks", {"name": "shop_one"}),
    ("networks", {"driver": "overlay", "driver_opts": {"encrypted": ""}, "attachable": True, "internal": True}),
    ("networks", {"external": True, "name": "bridge"}),
    ("networks", {"labels": {"a": "b"}, "ipam": {"driver": "default", "config": [{"subnet": "10.9.0.0/24"}]}}),
    ("volumes", {"name": "shop_one", "driver": "local", "driver_opts": {"type": "nfs"}, "labels": {"a": "b"}}),
    ("configs", {"file": "/a", "template_driver": "golang", "labels": {"a": "b"}}),
    ("secrets", {"file": "/a", "name": "shop_one"}),
    ("secrets", {"external": True, "name": "one"}),
]


@pytest.mark.parametrize(("section", "definition"), KEPT)
def test_what_a_swarm_knows_is_kept(section: str, definition: dict[str, Any]) -> None:
    assert rendered(section, **definition) == (definition, [])


@pytest.mark.parametrize("section", USES)
def test_what_no_service_uses_is_not_made(section: str) -> None:
    project = Project("shop", {section: {"other": {"file": "/a", "content": "x"}}})
    assert used_resources(project, {"echo": {section: USES[section]}}) == ({}, [])


def test_a_service_that_names_no_network_is_on_the_default_one() -> None:
    project = Project("shop", {"networks": {"default": {"attachable": True}, "other": {}}})
    assert used_resources(project, {"echo": {}})[0] == {"networks": {"default": {"attachable": True}}}


def test_an_anonymous_volume_and_a_folder_are_not_declared() -> None:
    mounts = [{"type": "volume", "target": "/a"}, "/srv:/b", "/c"]
    assert used_resources(Project("shop", {"volumes": {"data": {}}}), {"echo": {"volumes": mounts}}) == ({}, [])


def test_a_thing_that_is_declared_and_empty_stays() -> None:
    project = Project("shop", {"volumes": {"one": None}})
    assert used_resources(project, {"echo": {"volumes": ["one:/data"]}})[0] == {"volumes": {"one": {}}}


def test_a_bridge_becomes_an_overlay() -> None:
    options = {"com.docker.network.bridge.name": "brx"}
    assert rendered("networks", driver="bridge", driver_opts=options, internal=True) == (
        {"internal": True},
        ["network `one` is an overlay: a bridge joins the containers of one node"],
    )


def test_of_addresses_a_swarm_knows_the_subnet() -> None:
    pool = {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1", "aux_addresses": {"a": "10.9.0.2"}}
    assert rendered("networks", ipam={"config": [pool], "options": {"a": "b"}}) == (
        {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}},
        [
            "network `one`: `ipam.options`, `ipam.config.gateway` and `ipam.config.aux_addresses` are left out:"
            " a swarm does not know them"
        ],
    )


def test_of_subnets_those_of_ipv4_are_kept() -> None:
    pools = [{"subnet": "10.9.0.0/24"}, {"subnet": "fd00:9::/64"}]
    assert rendered("networks", enable_ipv6=True, ipam={"config": pools}) == (
        {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}},
        ["network `one`: `enable_ipv6` and `ipam.config.subnet: fd00:9::/64` are left out: a swarm does not know them"],
    )


def test_another_key_is_told_where_it_asks_for_something() -> None:
    assert rendered("networks", enable_ipv6=True)[1] == [
        "network `one`: `enable_ipv6` is left out: a swarm does not know it"
    ]
    assert rendered("networks", enable_ipv6=False) == ({}, [])


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_a_network_of_one_node_is_refused(driver: str) -> None:
    with pytest.raises(ComposectlError, match=f"its `driver` is `{driver}`"):
        rendered("networks", driver=driver)


@pytest.mark.parametrize(
    ("section", "key"), [("configs", "content"), ("configs", "environment"), ("secrets", "environment")]
)
def test_a_file_that_is_none_is_refused(section: str, key: str) -> None:
    with pytest.raises(ComposectlError, match=f"`one` cannot be deployed to a swarm: `{key}`") as refused:
        rendered(section, **{key: "x"})
    assert "`file:`" in refused.value.hint
