"""Containers as the Docker Engine API describes them, parsed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from composectl.balance.backend import ContainerHealth, Replica
from composectl.sanitize import sanitize

_RUNNING = ("running", "paused")
_HEALTH = {
    "healthy": ContainerHealth.HEALTHY,
    "starting": ContainerHealth.UNHEALTHY,
    "unhealthy": ContainerHealth.UNHEALTHY,
}
_DEFAULT_GRACE_PERIOD = 10  # what Docker gives where the container says nothing
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
CONFIG_HASH = "com.docker.compose.config-hash"
HOOK = "com.docker.compose.hook"
_MAX_DIGITS = 9
Labels = Mapping[str, str]
KILL = 9
TERM = 15
# fmt: off
_SIGNALS = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
]
# fmt: on
_NUMBERS = {
    **{name: number for number, name in enumerate(_SIGNALS, start=1)},
    **{f"RTMIN+{n}": 34 + n for n in range(1, 16)},
    **{f"RTMAX-{n}": 64 - n for n in range(1, 15)},
    "RTMIN": 34,
    "RTMAX": 64,
}
# Files that the engine makes for each container, mounted there from a folder that is named after it.
_PER_CONTAINER_FILES = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}
_FOLDER = re.compile(r"/containers/([0-9a-f]{64})/[a-z.]+")
_SHORT_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Addressing:
    """Where replicas are reached: at their own addresses, or at the ports that each publishes at `published_host`.

    `networks`: the ids of the networks on which they are reached, None for all. `use_exposed_port`: a replica's lowest
    exposed TCP port is its own.
    """

    published_host: str = ""
    networks: frozenset[str] | None = None
    use_exposed_port: bool = False

    @property
    def behind_docker_proxy(self) -> bool:
        """Whether the engine's own relay accepts connections for the replicas."""
        return bool(self.published_host)

    def covers(self, network: str) -> bool:
        return self.networks is None or network in self.networks


CONTAINER_ADDRESS = Addressing()


@dataclass(frozen=True, slots=True)
class ExitedContainer:
    """A container that was started and does not run; `error`: why the engine could not start it, "" if it could.

    `has_run`: whether it ever did.
    """

    id: str
    name: str
    exit_code: int
    restarting: bool
    error: str = ""
    has_run: bool = True


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What a container was made from: its definition, as the hash that Compose notes, and its image by name and id."""

    name: str
    config_hash: str
    image: str
    image_id: str


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A running container that publishes a port; `project` and `service` are "" where Compose did not make it."""

    name: str
    project: str
    service: str


@dataclass(frozen=True, slots=True)
class Version:
    """The engine's version, and the versions of its API: the one in use, the oldest and the newest."""

    engine: str
    spoken: str
    oldest: str
    newest: str


def parse_engine_version(answer: Mapping[str, Any], spoken: str) -> Version:
    """What an answer of GET /version tells."""
    newest = str(answer.get("ApiVersion") or spoken)
    return Version(str(answer.get("Version") or "?"), spoken, str(answer.get("MinAPIVersion") or newest), newest)


def isolated_reason(info: Mapping[str, Any]) -> str:
    """Why the networks of the engine are known to be apart from those of this machine, as an answer of GET /info tells.

    "" where they may be reached: only a trial tells.
    """
    if any("name=rootless" in option for option in info.get("SecurityOptions") or ()):
        return "the engine is rootless"
    return "the engine is Docker Desktop's" if info.get("OperatingSystem") == "Docker Desktop" else ""


def bridge_addresses(networks: Iterable[Mapping[str, Any]]) -> list[str]:
    """The engine's own IPv4 addresses on its bridges, in an answer of GET /networks."""
    bridges = [one for one in networks if one.get("Driver") == "bridge"]
    configs = [config for one in bridges for config in (one.get("IPAM") or {}).get("Config") or ()]
    return [gateway for config in configs if "." in (gateway := _gateway(config))]


def parse_container(inspect: Mapping[str, Any], addressing: Addressing = CONTAINER_ADDRESS) -> Replica | None:
    """The replica in an answer of GET /containers/{id}/json; None where nothing can be sent to it."""
    state, (host, ports, network, endpoint) = inspect["State"], _address_of(inspect, addressing)
    if state["Status"] not in _RUNNING or not service_of(labels_of(inspect)) or not host:
        return None
    return Replica(
        id=inspect["Id"],
        started=state["StartedAt"],
        number=number_of(labels_of(inspect)),
        name=name_of(inspect),
        host=host,
        health=_health(state),
        stop_grace_period=stop_grace_period_of(inspect),
        stop_signal=stop_signal(inspect),
        ports=ports,
        network=network,
        endpoint=endpoint,
    )


def parse_exited(inspect: Mapping[str, Any]) -> ExitedContainer | None:
    """The end of a container in an answer of GET /containers/{id}/json; None where it runs, or was never started."""
    state, status = inspect["State"], inspect["State"]["Status"]
    error = state.get("Error", "")
    if status in _RUNNING or (status == "created" and not error):
        return None
    return ExitedContainer(
        inspect["Id"], name_of(inspect), state["ExitCode"], status == "restarting", error, has_run=status != "created"
    )


def parse_container_spec(inspect: Mapping[str, Any]) -> ContainerSpec:
    """The make of the container in an answer of GET /containers/{id}/json."""
    config_hash = labels_of(inspect).get(CONFIG_HASH, "")
    return ContainerSpec(name_of(inspect), config_hash, inspect["Config"].get("Image", ""), inspect.get("Image", ""))


def parse_port_owner(listed: Mapping[str, Any], port: int) -> PortOwner | None:
    """The container in one item of GET /containers/json, if it publishes this TCP port of the host."""
    if not any(one.get("PublicPort") == port and one["Type"] == "tcp" for one in listed.get("Ports") or ()):
        return None
    labels = listed.get("Labels") or {}
    name = min(listed["Names"], key=len)  # the longer ones are legacy links
    return PortOwner(sanitize(name).removeprefix("/"), labels.get(PROJECT, ""), service_of(labels))


def labels_of(inspect: Mapping[str, Any]) -> Labels:
    """The labels in an answer of GET /containers/{id}/json."""
    return inspect["Config"].get("Labels") or {}


def stop_signal(inspect: Mapping[str, Any]) -> int:
    """The number of the signal by which Docker stops the container; SIGTERM where it says nothing."""
    return signal_number(inspect["Config"].get("StopSignal") or "") or TERM


def stop_grace_period_of(inspect: Mapping[str, Any]) -> float:
    """The seconds that Docker gives the container to stop."""
    grace_period = inspect["Config"].get("StopTimeout")
    return float(_DEFAULT_GRACE_PERIOD if grace_period is None else grace_period)


def name_of(inspect: Mapping[str, Any]) -> str:
    """The name in an answer of GET /containers/{id}/json."""
    return sanitize(inspect["Name"]).removeprefix("/")


def service_of(labels: Labels) -> str:
    """The service that the container is a replica of; "" for one-offs, hooks and whatever is not Compose's."""
    if labels.get(ONE_OFF) == "True" or HOOK in labels:
        return ""
    return labels.get(SERVICE, "")


def number_of(labels: Labels) -> int:
    """The container's number within its service, from 1; 0 where there is none, or one that no Compose would give."""
    number = labels.get(NUMBER, "")
    return int(number) if number.isdecimal() and len(number) <= _MAX_DIGITS else 0


def replica_filter(project: str) -> dict[str, list[str]]:
    """The filter that lists the project's containers without its one-offs (GET /containers/json)."""
    return {"label": [f"{PROJECT}={project}", f"{ONE_OFF}=False"]}


def signal_number(text: str) -> int:
    """The number of `SIGTERM`, `TERM` or `15`, as Docker takes them; 0 for what is no signal."""
    if text.isdecimal():
        return int(text)
    return _NUMBERS.get(text.upper().removeprefix("SIG"), 0)


@dataclass(frozen=True, slots=True)
class SelfContainer:
    """`project` is "" where Compose did not make it, `networks` the ids of those that it is on, None for the host's."""

    name: str
    project: str
    networks: frozenset[str] | None
    stop_grace_period: float


def find_self_id(mountinfo: str, hostname: str) -> str:
    """The id of our own container, or its first 12 digits, by what /proc/self/mountinfo tells and by the hostname.

    It may be one that the engine does not know; "" outside of a container.
    """
    for mount in mountinfo.splitlines():
        _, _, _, root, point, *_ = mount.split(" ")
        if point in _PER_CONTAINER_FILES and (folder := _FOLDER.search(root)):
            return folder[1]
    return hostname if _SHORT_ID.fullmatch(hostname) else ""


def parse_self_container(inspect: Mapping[str, Any]) -> SelfContainer:
    """Our own container, in an answer of GET /containers/{id}/json."""
    joined = inspect["NetworkSettings"].get("Networks") or {}
    ids = frozenset((network or {}).get("NetworkID") or "" for network in joined.values())
    networks = None if "host" in joined else ids
    return SelfContainer(name_of(inspect), labels_of(inspect).get(PROJECT, ""), networks, stop_grace_period_of(inspect))


# Private

_Ports = tuple[tuple[int | None, int], ...]


def _gateway(config: Mapping[str, str]) -> str:
    """Of a bridge that was made by default, an engine that has just started tells the subnet alone."""
    subnet = config.get("Subnet")
    return config.get("Gateway") or (str(ip_network(subnet)[1]) if subnet else "")


def _address_of(inspect: Mapping[str, Any], addressing: Addressing) -> tuple[str, _Ports, str, str]:
    """The address, what of it is reached at other ports, and the ids of the network and of the endpoint."""
    host, network, endpoint = _network_address(inspect, addressing)
    if not addressing.published_host:
        return host, _exposed(inspect) if addressing.use_exposed_port else (), network, endpoint
    ports = _published(inspect, addressing.published_host)
    return addressing.published_host if ports else "", ports, network, endpoint


def _network_address(inspect: Mapping[str, Any], addressing: Addressing) -> tuple[str, str, str]:
    """The address on a network within reach, and the ids of that and of the endpoint there."""
    networks = inspect["NetworkSettings"].get("Networks") or {}
    joined = [networks[name] or {} for name in sorted(networks)]
    near = [one for one in joined if addressing.covers(one.get("NetworkID") or "")]
    for kind in ("IPAddress", "GlobalIPv6Address"):
        for one in near:
            if host := one.get(kind):
                return host, one.get("NetworkID") or "", one.get("EndpointID") or ""
    return "", "", ""


def _exposed(inspect: Mapping[str, Any]) -> _Ports:
    """The lowest of the TCP ports that it exposes, as its own; port 0 where it exposes none."""
    exposed = inspect["Config"].get("ExposedPorts") or {}
    ports = [int(name.removesuffix("/tcp")) for name in exposed if name.endswith("/tcp")]
    return ((None, min(ports, default=0)),)


def _published(inspect: Mapping[str, Any], address: str) -> _Ports:
    """Its TCP ports, each with the one at which it is published at `address`."""
    published = inspect["NetworkSettings"].get("Ports") or {}
    return tuple(
        (int(name.removesuffix("/tcp")), int(binding["HostPort"]))
        for name in sorted(published)
        for binding in published[name] or ()
        if name.endswith("/tcp") and binding["HostIp"] == address
    )


def _health(state: Mapping[str, Any]) -> ContainerHealth:
    if state["Status"] == "paused":
        return ContainerHealth.UNHEALTHY
    return _HEALTH.get((state.get("Health") or {}).get("Status", ""), ContainerHealth.NONE)
