"""What the engine says of a container, as a value: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from composectl.balance.replica import Replica, Report
from composectl.engine.labels import CONFIG_HASH, PROJECT, Labels, number_of, service_of
from composectl.engine.log import plain
from composectl.engine.reach import ITS_OWN_ADDRESS, Reach
from composectl.engine.signals import TERM, signal_number

_RUNS = ("running", "paused")
_REPORTS = {"healthy": Report.UP, "starting": Report.DOWN, "unhealthy": Report.DOWN}
_GRACE = 10  # what Docker gives where the container says nothing


@dataclass(frozen=True, slots=True)
class Ended:
    """A container that does not run though it was told to; `error` is why the engine could not start it, if so.

    `has_run`: whether it ever did.
    """

    id: str
    name: str
    exit_code: int
    restarting: bool
    error: str = ""
    has_run: bool = True


@dataclass(frozen=True, slots=True)
class Make:
    """What a container was made from: its definition, as the hash that Compose notes, and its image by name and id."""

    name: str
    definition: str
    image: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A running container that publishes a port; `project` and `service` are "" where Compose did not make it."""

    name: str
    project: str
    service: str


@dataclass(frozen=True, slots=True)
class Version:
    """The engine's version, and the versions of its API: the one that we speak, the oldest and the newest."""

    engine: str
    spoken: str
    oldest: str
    newest: str


def describe_version(answer: Mapping[str, Any], spoken: str) -> Version:
    """What an answer of GET /version tells."""
    newest = str(answer.get("ApiVersion") or spoken)
    return Version(str(answer.get("Version") or "?"), spoken, str(answer.get("MinAPIVersion") or newest), newest)


def describe_walls(info: Mapping[str, Any]) -> str:
    """Why the networks of the engine are known to be apart from those of this machine, as an answer of GET /info tells.

    "" where they may be reached: only a trial tells.
    """
    if any("name=rootless" in option for option in info.get("SecurityOptions") or ()):
        return "the engine is rootless"
    return "the engine is Docker Desktop's" if info.get("OperatingSystem") == "Docker Desktop" else ""


def describe_gateways(networks: Iterable[Mapping[str, Any]]) -> list[str]:
    """The engine's own IPv4 addresses on its bridges, in an answer of GET /networks."""
    bridges = [one for one in networks if one.get("Driver") == "bridge"]
    configs = [config for one in bridges for config in (one.get("IPAM") or {}).get("Config") or ()]
    return [gateway for config in configs if "." in (gateway := _gateway(config))]


def describe(inspect: Mapping[str, Any], reach: Reach = ITS_OWN_ADDRESS) -> Replica | None:
    """The replica in an answer of GET /containers/{id}/json; None where nothing can be sent to it."""
    state, (host, ports, network, endpoint) = inspect["State"], _place(inspect, reach)
    if state["Status"] not in _RUNS or not service_of(labels_of(inspect)) or not host:
        return None
    return Replica(
        id=inspect["Id"],
        started=state["StartedAt"],
        number=number_of(labels_of(inspect)),
        name=name_of(inspect),
        host=host,
        report=_report(state),
        grace=grace_of(inspect),
        stop_signal=stop_signal(inspect),
        ports=ports,
        network=network,
        endpoint=endpoint,
    )


def describe_ended(inspect: Mapping[str, Any]) -> Ended | None:
    """The end of a container in an answer of GET /containers/{id}/json; None where it runs, or was never started."""
    state, status = inspect["State"], inspect["State"]["Status"]
    error = state.get("Error", "")
    if status in _RUNS or (status == "created" and not error):
        return None
    return Ended(
        inspect["Id"], name_of(inspect), state["ExitCode"], status == "restarting", error, has_run=status != "created"
    )


def describe_make(inspect: Mapping[str, Any]) -> Make:
    """The make of the container in an answer of GET /containers/{id}/json."""
    definition = labels_of(inspect).get(CONFIG_HASH, "")
    return Make(name_of(inspect), definition, inspect["Config"].get("Image", ""), inspect.get("Image", ""))


def describe_holder(listed: Mapping[str, Any], port: int) -> Holder | None:
    """The container in one item of GET /containers/json, if it publishes this TCP port of the host."""
    if not any(one.get("PublicPort") == port and one["Type"] == "tcp" for one in listed.get("Ports") or ()):
        return None
    labels = listed.get("Labels") or {}
    name = min(listed["Names"], key=len)  # the longer ones are legacy links
    return Holder(plain(name).removeprefix("/"), labels.get(PROJECT, ""), service_of(labels))


def labels_of(inspect: Mapping[str, Any]) -> Labels:
    """The labels in an answer of GET /containers/{id}/json."""
    return inspect["Config"].get("Labels") or {}


def stop_signal(inspect: Mapping[str, Any]) -> int:
    """The number of the signal by which Docker stops the container; SIGTERM where it says nothing."""
    return signal_number(inspect["Config"].get("StopSignal") or "") or TERM


def grace_of(inspect: Mapping[str, Any]) -> float:
    """The seconds that Docker gives the container to stop."""
    grace = inspect["Config"].get("StopTimeout")
    return float(_GRACE if grace is None else grace)


def name_of(inspect: Mapping[str, Any]) -> str:
    """The name in an answer of GET /containers/{id}/json."""
    return plain(inspect["Name"]).removeprefix("/")


# Private

_Ports = tuple[tuple[int, int], ...]


def _gateway(config: Mapping[str, str]) -> str:
    """Of a bridge that was made by default, an engine that has just started tells the subnet alone."""
    subnet = config.get("Subnet")
    return config.get("Gateway") or (str(ip_network(subnet)[1]) if subnet else "")


def _place(inspect: Mapping[str, Any], reach: Reach) -> tuple[str, _Ports, str, str]:
    """The address, what of it is reached at other ports, and the ids of the network and of the endpoint."""
    host, network, endpoint = _on_network(inspect, reach)
    if not reach.published_at:
        return host, _exposed(inspect) if reach.exposed else (), network, endpoint
    ports = _published(inspect, reach.published_at)
    return reach.published_at if ports else "", ports, network, endpoint


def _on_network(inspect: Mapping[str, Any], reach: Reach) -> tuple[str, str, str]:
    """The address on a network within reach, and the ids of that and of the endpoint there."""
    networks = inspect["NetworkSettings"].get("Networks") or {}
    joined = [networks[name] or {} for name in sorted(networks)]
    near = [one for one in joined if reach.is_near(one.get("NetworkID") or "")]
    for kind in ("IPAddress", "GlobalIPv6Address"):
        for one in near:
            if host := one.get(kind):
                return host, one.get("NetworkID") or "", one.get("EndpointID") or ""
    return "", "", ""


def _exposed(inspect: Mapping[str, Any]) -> _Ports:
    """The lowest of the TCP ports that it exposes, in the place of port 0; nobody's, where it exposes none."""
    exposed = inspect["Config"].get("ExposedPorts") or {}
    ports = [int(name.removesuffix("/tcp")) for name in exposed if name.endswith("/tcp")]
    return ((0, min(ports, default=0)),)


def _published(inspect: Mapping[str, Any], address: str) -> _Ports:
    """Its TCP ports, each with the one at which it is published at `address`."""
    published = inspect["NetworkSettings"].get("Ports") or {}
    return tuple(
        (int(name.removesuffix("/tcp")), int(binding["HostPort"]))
        for name in sorted(published)
        for binding in published[name] or ()
        if name.endswith("/tcp") and binding["HostIp"] == address
    )


def _report(state: Mapping[str, Any]) -> Report:
    if state["Status"] == "paused":
        return Report.DOWN
    return _REPORTS.get((state.get("Health") or {}).get("Status", ""), Report.SILENT)
