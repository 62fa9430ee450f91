"""A service of a stack, key by key."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.compose.project import Project
from composectl.compose.stack import Stack, StackPlan
from composectl.errors import ComposectlError

IMAGE = {"image": "echo:1"}
HOST = {"mode": "host", "protocol": "tcp"}
INGRESS = {"mode": "ingress", "protocol": "tcp"}


def stack_of(targets: list[int] | None = None, without_udp: bool = False, **definition: Any) -> Stack:
    """The stack of one service, balanced where it has `targets`."""
    scales, of = ({}, {}) if targets is None else ({"echo": 2}, {"echo": targets})
    project = Project("shop", {"services": {"echo": IMAGE | definition}})
    return StackPlan(of, "node", without_udp=["echo"] if without_udp else []).make(project, scales)


def echo_of(targets: list[int] | None = None, **definition: Any) -> Any:
    return stack_of(targets, **definition).document["services"]["echo"]


def told_of(targets: list[int] | None = None, **definition: Any) -> list[str]:
    return [sentence.removeprefix("echo: ") for sentence in stack_of(targets, **definition).dropped]


# What is kept

KEPT: dict[str, Any] = {
    "cap_add": ["NET_ADMIN"],
    "cap_drop": ["MKNOD"],
    "command": ["sleep", "1"],
    "credential_spec": {"file": "a.json"},
    "dns": ["1.1.1.1"],
    "dns_search": ["example.com"],
    "entrypoint": "sh -c",
    "environment": {"A": "$$x"},
    "healthcheck": {"test": ["CMD", "true"], "start_interval": "1s"},
    "hostname": "{{.Node.Hostname}}",
    "init": True,
    "isolation": "default",
    "labels": {"a": "b"},
    "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
    "networks": {"default": None},
    "oom_score_adj": 5,
    "read_only": True,
    "stdin_open": True,
    "stop_grace_period": "1m30s",
    "stop_signal": "SIGINT",
    "sysctls": {"net.core.somaxconn": "1024"},
    "tmpfs": ["/run"],
    "tty": True,
    "ulimits": {"nofile": {"soft": 1, "hard": 2}},
    "user": "0",
    "working_dir": "/",
}


@pytest.mark.parametrize("key", KEPT)
def test_what_a_swarm_knows_is_kept(key: str) -> None:
    assert stack_of(**{key: KEPT[key]}) == Stack({"services": {"echo": IMAGE | {key: KEPT[key]}}})


# What is left out

LEFT_OUT: dict[str, Any] = {
    "annotations": {"a": "b"},
    "blkio_config": {"weight": 300},
    "cgroup": "host",
    "cgroup_parent": "/x",
    "container_name": "fixed",
    "cpu_shares": 512,
    "cpuset": "0",
    "device_cgroup_rules": ["c 1:3 mr"],
    "devices": [{"source": "/dev/null", "target": "/dev/null"}],
    "dns_opt": ["use-vc"],
    "domainname": "example.com",
    "external_links": ["db"],
    "group_add": ["mail"],
    "ipc": "shareable",
    "links": ["db:database"],
    "mac_address": "02:42:ac:11:65:43",
    "mem_swappiness": "10",
    "memswap_limit": "134217728",
    "oom_kill_disable": True,
    "pid": "host",
    "platform": "linux/amd64",
    "post_start": [{"command": ["true"]}],
    "pre_stop": [{"command": ["true"]}],
    "privileged": True,
    "runtime": "runc",
    "security_opt": ["no-new-privileges"],
    "shm_size": "67108864",
    "storage_opt": {"size": "1G"},
    "userns_mode": "host",
    "uts": "host",
    "what_comes_next_year": 1,
}


@pytest.mark.parametrize("key", LEFT_OUT)
def test_what_a_swarm_does_not_know_is_left_out_and_told(key: str) -> None:
    assert echo_of(**{key: LEFT_OUT[key]}) == IMAGE
    assert told_of(**{key: LEFT_OUT[key]}) == [f"`{key}` is left out: a swarm does not know it"]


def test_several_of_them_are_one_line() -> None:
    assert told_of(privileged=True, ipc="host") == [
        "`privileged` and `ipc` are left out: a swarm does not know them",
    ]


REPLACED: dict[str, Any] = {
    "attach": False,
    "build": {"context": "/src"},
    "develop": {"watch": []},
    "env_file": ["a.env"],
    "expose": ["90"],
    "extends": {"service": "base"},
    "label_file": ["labels"],
    "profiles": ["debug"],
    "pull_policy": "always",
    "x-balance": 3,
    "privileged": False,
    "security_opt": [],
    "command": None,
}


@pytest.mark.parametrize("key", REPLACED)
def test_what_has_no_meaning_there_is_left_out_in_silence(key: str) -> None:
    assert stack_of(**{key: REPLACED[key]}) == Stack({"services": {"echo": IMAGE}})


def test_what_belongs_to_one_container_is_left_out_of_a_balanced_service_elsewhere() -> None:
    networks = {"front": {"ipv4_address": "172.29.0.7", "aliases": ["x"]}}
    assert echo_of([], container_name="fixed", networks=networks)["networks"] == {"front": {"aliases": ["x"]}}
    assert told_of([], container_name="fixed", networks=networks) == []


def test_of_a_place_in_a_network_a_swarm_knows_its_aliases() -> None:
    networks = {"front": {"ipv4_address": "172.29.0.7", "aliases": ["x"], "priority": 1}, "back": None}
    assert echo_of(networks=networks)["networks"] == {"front": {"aliases": ["x"]}, "back": None}
    assert told_of(networks=networks) == [
        "`networks.front.ipv4_address` and `networks.front.priority` are left out: a swarm does not know them"
    ]


def test_a_list_of_networks_stays() -> None:
    assert echo_of(networks=["front"])["networks"] == ["front"]


# What is written otherwise


def test_a_variable_that_is_set_nowhere_is_left_unset() -> None:
    assert echo_of(environment={"A": "1", "B": None})["environment"] == {"A": "1"}
    assert echo_of(environment=["A=1"])["environment"] == ["A=1"]


@pytest.mark.parametrize(
    "hosts",
    [
        ["somewhere=10.0.0.1", "six=::1"],
        ["somewhere:10.0.0.1", "six:::1"],
        ["somewhere=10.0.0.1", "six=[::1]"],
        {"somewhere": "10.0.0.1", "six": "::1"},
    ],
)
def test_hosts_are_written_with_a_colon(hosts: Any) -> None:
    assert echo_of(extra_hosts=hosts)["extra_hosts"] == ["somewhere:10.0.0.1", "six:::1"]


@pytest.mark.parametrize("key", ["configs", "secrets"])
def test_the_mode_of_a_file_is_a_number(key: str) -> None:
    files = [{"source": "a", "mode": "0440"}, {"source": "b", "mode": 288}, {"source": "c"}, "d"]
    assert echo_of(**{key: files})[key] == [{"source": "a", "mode": 288}, {"source": "b", "mode": 288}, *files[2:]]


def test_of_a_mount_only_what_a_swarm_knows_is_kept() -> None:
    mounts = [
        {"type": "volume", "source": "data", "target": "/a", "volume": {"nocopy": True, "subpath": "x"}},
        {"type": "bind", "source": "/b", "target": "/b", "read_only": True, "bind": {"create_host_path": True}},
        {"type": "tmpfs", "target": "/c", "tmpfs": {"size": "1048576", "mode": 493}},
        "data:/d",
    ]
    assert echo_of(volumes=mounts)["volumes"] == [
        {"type": "volume", "source": "data", "target": "/a", "volume": {"nocopy": True}},
        {"type": "bind", "source": "/b", "target": "/b", "read_only": True},
        {"type": "tmpfs", "target": "/c", "tmpfs": {"size": 1048576}},
        "data:/d",
    ]


@pytest.mark.parametrize("mount", ["/srv:/data:ro", {"type": "bind", "source": "/srv", "target": "/data"}])
def test_a_folder_of_the_machine_is_to_be_on_each_node(mount: Any) -> None:
    assert told_of(volumes=[mount, "data:/d", "/anonymous"]) == ["`/srv` must exist on each node"]


@pytest.mark.parametrize("mode", ["host", "bridge"])
def test_a_network_that_each_node_has_is_named(mode: str) -> None:
    stack = stack_of(network_mode=mode)
    assert stack.document["services"]["echo"] == IMAGE | {"networks": {mode: None}}
    assert stack.document["networks"] == {mode: {"external": True, "name": mode}}


def test_on_the_network_of_the_node_nothing_is_published() -> None:
    assert "ports" not in echo_of(network_mode="host", ports=["80:80"])


# Ports


def test_a_balanced_service_publishes_its_targets_at_free_ports_of_each_node() -> None:
    assert echo_of([443, 80], ports=["8080:80", "8443:443", "9000:90"])["ports"] == [
        {"target": 80, **HOST},
        {"target": 443, **HOST},
    ]


def test_udp_is_left_to_the_swarm_unless_it_is_dropped() -> None:
    ports = ["8080:80", "5353:53/udp"]
    tcp, udp = {"target": 80, **HOST}, {"target": 53, "published": 5353, "protocol": "udp", "mode": "ingress"}
    assert echo_of([80], ports=ports)["ports"] == [tcp, udp]
    assert echo_of([80], ports=ports, without_udp=True)["ports"] == [tcp]


@pytest.mark.parametrize(
    ("entry", "port"),
    [
        ("8080:80", {"target": 80, "published": 8080, **INGRESS}),
        (80, {"target": 80, **INGRESS}),
        ("0.0.0.0:8080:80", {"target": 80, "published": 8080, **INGRESS}),
        ({"target": 80, "published": "8080", "protocol": "tcp"}, {"target": 80, "published": 8080, **INGRESS}),
        ({"target": 80, "published": "8080", "mode": "host"}, {"target": 80, "published": 8080, **HOST}),
        (
            {"target": 80, "published": "8080", "host_ip": "::", "name": "web", "app_protocol": "http"},
            {"target": 80, "published": 8080, **INGRESS},
        ),
    ],
)
def test_the_ports_of_other_services_are_numbers(entry: Any, port: Any) -> None:
    assert echo_of(ports=[entry])["ports"] == [port]
    assert told_of(ports=[entry]) == []


def test_a_port_at_one_address_is_not_opened_to_all() -> None:
    assert "ports" not in echo_of(ports=["127.0.0.1:5432:5432"])
    assert told_of(ports=["127.0.0.1:5432:5432"]) == [
        "127.0.0.1:5432 stays unpublished: a swarm publishes at every address of its nodes"
    ]


def test_of_a_range_the_first_port_is_published() -> None:
    assert echo_of(ports=["8000-8009:80"])["ports"] == [{"target": 80, "published": 8000, **INGRESS}]
    assert told_of(ports=["8000-8009:80"]) == ["of the ports 8000-8009, 8000 is published"]


# What cannot be done without


@pytest.mark.parametrize("definition", [{"image": None, "build": {"context": "/src"}}, {"image": ""}])
def test_a_swarm_builds_no_images(definition: Any) -> None:
    with pytest.raises(ComposectlError, match="service `echo` has no `image`") as refused:
        stack_of(**definition)
    assert "push it to a registry" in refused.value.hint


def test_an_image_that_is_built_and_named_is_taken() -> None:
    assert echo_of(build={"context": "/src"}) == IMAGE


@pytest.mark.parametrize("mode", ["none", "service:db", "container:db"])
def test_a_network_of_another_container_is_refused(mode: str) -> None:
    with pytest.raises(ComposectlError, match=f"cannot run in a swarm: `network_mode: {mode}`"):
        stack_of(network_mode=mode)


@pytest.mark.parametrize("key", ["volumes_from", "gpus"])
def test_what_nothing_stands_in_for_is_refused(key: str) -> None:
    with pytest.raises(ComposectlError, match=f"cannot run in a swarm: `{key}`") as refused:
        stack_of(**{key: ["db"]})
    assert refused.value.hint
