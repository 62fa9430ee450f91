"""How the tasks of a service can be reached: what its specification says of ports and networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from composectl.engine.swarm import SwarmService


def host_ports(service: SwarmService) -> list[int]:
    """The TCP ports of the container that each node publishes for its own tasks, ascending."""
    return sorted(port["TargetPort"] for port in _tcp_ports(service) if port.get("PublishMode") == "host")


def target_ports(service: SwarmService) -> list[int]:
    """All TCP ports of the container that are published, ascending."""
    return sorted(port["TargetPort"] for port in _tcp_ports(service))


def network_ids(service: SwarmService) -> frozenset[str]:
    """The networks that its tasks are on; the older place for them is beside the template."""
    template = service.spec.get("TaskTemplate") or {}
    networks = template.get("Networks") or service.spec.get("Networks") or ()
    return frozenset(network["Target"] for network in networks)


# Private


def _tcp_ports(service: SwarmService) -> Iterator[Mapping[str, Any]]:
    for port in (service.spec.get("EndpointSpec") or {}).get("Ports") or ():
        if port.get("Protocol", "tcp") == "tcp" and port.get("TargetPort"):
            yield port
