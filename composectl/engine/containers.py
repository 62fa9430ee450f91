"""Containers as the Docker Engine API describes them, parsed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from composectl.balance.backend import ContainerHealth, Replica
from composectl.sanitize import sanitize

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
CONFIG_HASH = "com.docker.compose.config-hash"
HOOK = "com.docker.compose.hook"
PAUSED = "paused"
RUNNING = ("running", PAUSED)
"""The statuses of a container that has an address."""
KILL = 9
TERM = 15

_Json = Mapping[str, Any]
_Labels = Mapping[str, str]
_Ports = tuple[tuple[int | None, int], ...]

_HEALTH = {
    "healthy": ContainerHealth.HEALTHY,
    "starting": ContainerHealth.UNHEALTHY,
    "unhealthy": ContainerHealth.UNHEALTHY,
}
_DEFAULT_GRACE_PERIOD = 10  # what Docker gives where the container says nothing
_MAX_DIGITS = 9
# In the order of Linux's numbers, from 1 on
_SIGNALS = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT "
    "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
)
_NUMBERS = {
    **{name: number for number, name in enumerate(_SIGNALS.split(), start=1)},
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

    `networks`: the ids of those within reach, None for all. `use_exposed_port`: the lowest exposed TCP port counts.
    """

    published_host: str = ""
    networks: frozenset[str] | None = None
    use_exposed_port: bool = False


CONTAINER_ADDRESS = Addressing()


@dataclass(frozen=True, slots=True)
class ExitedContainer:
    """A container that was started and does not run; `error`: why the engine could not start it, "" if it could."""

    id: str
    name: str
    exit_code: int
    restarting: bool
    error: str = ""
    has_run: bool = True


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What a container was made from: its definition, as the hash that Compose notes, and its image by name and id.

    `published`: the TCP ports of the host that it asks for, whether or not it runs. `error`: why it did not start.
    """

    id: str
    name: str
    config_hash: str
    image: str
    image_id: str
    status: str = "running"
    published: frozenset[int] = frozenset()
    error: str = ""


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A running container that publishes a port; `project` and `service` are "" where Compose did not make it."""

    name: str
    project: str
    service: str


@dataclass(frozen=True, slots=True)
class SelfContainer:
    """`project` is "" where Compose did not make it, `networks` the ids of those that it is on, None for the host's."""

    name: str
    project: str
    networks: frozenset[str] | None
    stop_grace_period: float


@dataclass(frozen=True, slots=True)
class Version:
    """The engine's version, and the versions of its API: the one in use, the oldest and the newest."""

    engine: str
    spoken: str
    oldest: str
    newest: str


def parse_engine_version(answer: _Json, spoken: str) -> Version:
    """What an answer of GET /version tells."""
    newest = str(answer.get("ApiVersion") or spoken)
    return Version(str(answer.get("Version") or "?"), spoken, str(answer.get("MinAPIVersion") or newest), newest)


def isolated_reason(info: _Json) -> str:
    """Why an answer of GET /info tells that the engine's networks are apart from those of this machine; "" if not."""
    if any("name=rootless" in option for option in info.get("SecurityOptions") or ()):
        return "the engine is rootless"
    return "the engine is Docker Desktop's" if info.get("OperatingSystem") == "Docker Desktop" else ""


def bridge_addresses(networks: Iterable[_Json]) -> list[str]:
    """The engine's own IPv4 addresses on its bridges, in an answer of GET /networks."""
    ipams = [network.get("IPAM") or {} for network in networks if network.get("Driver") == "bridge"]
    addresses: list[str] = []
    for config in (config for ipam in ipams for config in ipam.get("Config") or ()):
        # Of a bridge that was made by default, an engine that has just started tells the subnet alone.
        subnet = config.get("Subnet")
        addresses.append(config.get("Gateway") or (str(ip_network(subnet)[1]) if subnet else ""))
    return [address for address in addresses if "." in address]


def parse_container(inspect: _Json, addressing: Addressing = CONTAINER_ADDRESS) -> Replica | None:
    """The replica in an answer of GET /containers/{id}/json; None where nothing can be sent to it."""
    state, labels = inspect["State"], labels_of(inspect)
    host, ports, network, endpoint = _address(inspect, addressing)
    if state["Status"] not in RUNNING or not service_of(labels) or not host:
        return None
    health = _HEALTH.get((state.get("Health") or {}).get("Status", ""), ContainerHealth.NONE)
    return Replica(
        id=inspect["Id"],
        started=state["StartedAt"],
        number=number_of(labels),
        name=name_of(inspect),
        host=host,
        health=ContainerHealth.UNHEALTHY if state["Status"] == PAUSED else health,
        stop_grace_period=_stop_grace_period(inspect),
        stop_signal=stop_signal(inspect),
        ports=ports,
        network=network,
        endpoint=endpoint,
    )


def parse_exited(inspect: _Json) -> ExitedContainer | None:
    """The end of a container in an answer of GET /containers/{id}/json; None where it runs, or was never started."""
    state, status = inspect["State"], inspect["State"]["Status"]
    error = state.get("Error", "")
    if status in RUNNING or (status == "created" and not error):
        return None
    return ExitedContainer(
        inspect["Id"], name_of(inspect), state["ExitCode"], status == "restarting", error, has_run=status != "created"
    )


def parse_container_spec(inspect: _Json) -> ContainerSpec:
    """The make of the container in an answer of GET /containers/{id}/json."""
    config_hash, image = labels_of(inspect).get(CONFIG_HASH, ""), inspect["Config"].get("Image", "")
    return ContainerSpec(
        inspect["Id"],
        name_of(inspect),
        config_hash,
        image,
        inspect.get("Image", ""),
        inspect["State"]["Status"],
        _asked_ports(inspect),
        inspect["State"].get("Error", ""),
    )


def parse_port_owner(listed: _Json, port: int) -> PortOwner | None:
    """The container in one item of GET /containers/json, if it publishes this TCP port of the host."""
    if not any(entry.get("PublicPort") == port and entry["Type"] == "tcp" for entry in listed.get("Ports") or ()):
        return None
    labels = listed.get("Labels") or {}
    name = min(listed["Names"], key=len)  # the longer ones are legacy links
    return PortOwner(sanitize(name).removeprefix("/"), labels.get(PROJECT, ""), service_of(labels))


def parse_self_container(inspect: _Json) -> SelfContainer:
    """Our own container, in an answer of GET /containers/{id}/json."""
    joined = inspect["NetworkSettings"].get("Networks") or {}
    ids = frozenset((network or {}).get("NetworkID") or "" for network in joined.values())
    networks = None if "host" in joined else ids
    return SelfContainer(name_of(inspect), labels_of(inspect).get(PROJECT, ""), networks, _stop_grace_period(inspect))


def find_self_id(mountinfo: str, hostname: str) -> str:
    """The id of our own container, or its first 12 digits, by what /proc/self/mountinfo tells and by the hostname.

    It may be one that the engine does not know; "" outside of a container.
    """
    for mount in mountinfo.splitlines():
        _, _, _, root, point, *_ = mount.split(" ")
        if point in _PER_CONTAINER_FILES and (folder := _FOLDER.search(root)):
            return folder[1]
    return hostname if _SHORT_ID.fullmatch(hostname) else ""


def service_of(labels: _Labels) -> str:
    """The service that the container is a replica of; "" for one-offs, hooks and whatever is not Compose's."""
    return "" if labels.get(ONE_OFF) == "True" or HOOK in labels else labels.get(SERVICE, "")


def number_of(labels: _Labels) -> int:
    """The container's number within its service, from 1; 0 where there is none, or one that no Compose would give."""
    number = labels.get(NUMBER, "")
    return int(number) if number.isdecimal() and len(number) <= _MAX_DIGITS else 0


def replica_filter(project: str) -> dict[str, list[str]]:
    """The filter that lists the project's containers without its one-offs (GET /containers/json)."""
    return {"label": [f"{PROJECT}={project}", f"{ONE_OFF}=False"]}


def stop_signal(inspect: _Json) -> int:
    """The number of the signal by which Docker stops the container; SIGTERM where it says nothing."""
    return signal_number(inspect["Config"].get("StopSignal") or "") or TERM


def signal_number(text: str) -> int:
    """The number of `SIGTERM`, `TERM` or `15`, as Docker takes them; 0 for what is no signal."""
    return int(text) if text.isdecimal() else _NUMBERS.get(text.upper().removeprefix("SIG"), 0)


def labels_of(inspect: _Json) -> _Labels:
    return inspect["Config"].get("Labels") or {}


def name_of(inspect: _Json) -> str:
    return sanitize(inspect["Name"]).removeprefix("/")


# Private


def _stop_grace_period(inspect: _Json) -> float:
    grace_period = inspect["Config"].get("StopTimeout")
    return float(_DEFAULT_GRACE_PERIOD if grace_period is None else grace_period)


def _address(inspect: _Json, addressing: Addressing) -> tuple[str, _Ports, str, str]:
    """The address, what of it is reached at other ports, and the ids of the network and of the endpoint."""
    host, network, endpoint = _network_address(inspect, addressing.networks)
    if addressing.published_host:
        ports = _published(inspect, addressing.published_host)
        return addressing.published_host if ports else "", ports, network, endpoint
    if not addressing.use_exposed_port:
        return host, (), network, endpoint
    exposed = inspect["Config"].get("ExposedPorts") or {}
    own = [int(name.removesuffix("/tcp")) for name in exposed if name.endswith("/tcp")]
    return host, ((None, min(own, default=0)),), network, endpoint


def _network_address(inspect: _Json, reachable: frozenset[str] | None) -> tuple[str, str, str]:
    """The address on a network within reach, and the ids of that and of the endpoint there."""
    networks = inspect["NetworkSettings"].get("Networks") or {}
    joined = [networks[name] or {} for name in sorted(networks)]
    for kind in ("IPAddress", "GlobalIPv6Address"):
        for joined_network in joined:
            network = joined_network.get("NetworkID") or ""
            if (reachable is None or network in reachable) and (host := joined_network.get(kind)):
                return host, network, joined_network.get("EndpointID") or ""
    return "", "", ""


def _asked_ports(inspect: _Json) -> frozenset[int]:
    """The TCP ports of the host in its PortBindings, where "" and "0" are any free port, and "8000-8009" is a range."""
    bindings = (inspect.get("HostConfig") or {}).get("PortBindings") or {}
    texts = [
        entry.get("HostPort") or "0" for name in bindings if name.endswith("/tcp") for entry in bindings[name] or ()
    ]
    ranges = [tuple(map(int, text.partition("-")[::2])) if "-" in text else (int(text), int(text)) for text in texts]
    return frozenset(port for first, last in ranges for port in range(first, last + 1)) - {0}


def _published(inspect: _Json, address: str) -> _Ports:
    """Its TCP ports, each with the one at which it is published at `address`."""
    published = inspect["NetworkSettings"].get("Ports") or {}
    return tuple(
        (int(name.removesuffix("/tcp")), int(binding["HostPort"]))
        for name in sorted(published)
        for binding in published[name] or ()
        if name.endswith("/tcp") and binding["HostIp"] == address
    )
