"""What of a service's definition belongs to a single container: its name and its addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_A_CONTAINER = ("container_name", "mac_address")
_OF_AN_ENDPOINT = ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address")


def own_keys(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that several replicas cannot share, with their values, as in a compose file."""
    keys = [f"{key}: {definition[key]}" for key in _OF_A_CONTAINER if definition.get(key)]
    for network, endpoint in _endpoints(definition).items():
        keys += [f"networks.{network}.{key}: {_text(endpoint[key])}" for key in _OF_AN_ENDPOINT if endpoint.get(key)]
    return tuple(keys)


def without_own_keys(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that several replicas can share."""
    shared = {key: value for key, value in definition.items() if key not in _OF_A_CONTAINER}
    if endpoints := _endpoints(definition):
        without = {
            network: {key: value for key, value in endpoint.items() if key not in _OF_AN_ENDPOINT}
            for network, endpoint in endpoints.items()
        }
        shared["networks"] = shared["networks"] | without
    return shared


# Private


def _endpoints(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What it says of its places in networks; a list of networks says nothing."""
    networks = definition.get("networks")
    if not isinstance(networks, Mapping):
        return {}
    return {network: endpoint for network, endpoint in networks.items() if isinstance(endpoint, Mapping)}


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
