"""What a service's specification says of ports and networks."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.engine.swarm import SwarmService
from composectl.engine.swarm_ports import host_ports, network_ids, target_ports

HOST = {"Protocol": "tcp", "TargetPort": 9090, "PublishMode": "host"}
MESH = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"}
UDP = {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"}


def service(*ports: dict[str, Any], **spec: Any) -> SwarmService:
    return SwarmService("1", "shop_echo", 1, 1, {"EndpointSpec": {"Ports": [*ports]}} | spec)


def test_a_port_in_host_mode_is_that_of_the_tasks_node() -> None:
    assert host_ports(service(MESH, HOST, UDP)) == [9090]
    assert target_ports(service(HOST, MESH, UDP)) == [80, 9090]


@pytest.mark.parametrize("spec", [{}, {"EndpointSpec": None}, {"EndpointSpec": {"Mode": "vip"}}])
def test_there_may_be_none(spec: dict[str, Any]) -> None:
    found = SwarmService("1", "shop_echo", 1, 1, spec)
    assert (host_ports(found), target_ports(found), network_ids(found)) == ([], [], frozenset())


def test_networks_stand_in_the_template_or_beside_it() -> None:
    assert network_ids(service(TaskTemplate={"Networks": [{"Target": "n1"}, {"Target": "n2"}]})) == {"n1", "n2"}
    assert network_ids(service(Networks=[{"Target": "n1"}])) == {"n1"}
