"""A project as `config` renders it: which services it has, what they publish, and how it looks when we balance."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from composectl import errors
from composectl.compose.declared import KEY, parse_declared
from composectl.compose.ports import Port, parse_ports

Document = dict[str, Any]

# docker-compose 1.29 renders a file of 2016 as version 1, and refuses to read that back.
_READ_BACK = {"1": "2.4"}


@dataclass(frozen=True, slots=True)
class Project:
    """`name` is None where `config` did not tell it; `major` is the major version of the Compose that rendered.

    `declared`: what stands under `x-balance` of which service, its scalars as texts.
    """

    name: str | None
    document: Document
    major: int
    declared: Mapping[str, object] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self.document.get("services") or ())

    def ports(self, service: str) -> tuple[Port, ...]:
        """What `service` publishes, in the file's order."""
        return _ports(service, self._service(service))

    def tcp_ports(self, service: str) -> tuple[Port, ...]:
        """Those of its ports that we can balance."""
        return tuple(port for port in self.ports(service) if port.protocol == "tcp")

    def started_by(self, profiles: Collection[str]) -> tuple[str, ...]:
        """The services that `up` starts where none is named: those without a profile, and those of these `profiles`."""
        of = {service: self._service(service).get("profiles") or () for service in self.services}
        return tuple(one for one, its in of.items() if not its or "*" in profiles or set(its) & set(profiles))

    def started_with(self, services: Collection[str]) -> set[str]:
        """These services, and all that they depend on."""
        started: set[str] = set()
        coming = [service for service in services if service in self.services]
        while coming:
            service = coming.pop()
            if service not in started:
                started.add(service)
                coming += self._dependencies(service)
        return started

    def own_scale(self, service: str) -> int:
        """How many replicas the file itself wants of it: `scale`, `deploy.replicas`, or one."""
        of = self._service(service)
        told = (of.get("scale"), (of.get("deploy") or {}).get("replicas"))
        return next((int(count) for count in told if count is not None), 1)

    def check_balanced(self, service: str, scale: int, *, listens: bool = False, drop_udp: bool = False) -> None:
        """Raise why `service` cannot be balanced over `scale` replicas, if so.

        `listens`: it is told where to listen; `drop_udp`: its UDP ports are to be left out.
        Raises `unknown_service`, `no_address_of_its_own`, `no_tcp_port`, `udp_port`, `odd_port`.
        """
        if service not in self.services:
            raise errors.unknown_service(service, self.services)
        mode = str(self._service(service).get("network_mode") or "")
        if mode in ("host", "none") or mode.startswith(("service:", "container:")):
            raise errors.no_address_of_its_own(service, mode)
        if not listens and not self.tcp_ports(service):
            raise errors.no_tcp_port(service)
        if not drop_udp:
            _check_room(service, self.ports(service), scale)

    # Private

    def _service(self, service: str) -> Document:
        found: Document = self.document["services"][service]
        return found

    def _dependencies(self, service: str) -> list[str]:
        """Those without which Compose does not start it."""
        of = self._service(service)
        links = [str(link).partition(":")[0] for key in ("links", "volumes_from") for link in of.get(key) or ()]
        network = str(of.get("network_mode") or "").removeprefix("service:")
        return [one for one in (*(of.get("depends_on") or ()), *links, network) if one in self.services]


def parse_project(printed: str, major: int, in_yaml: str = "") -> Project:
    """What `config` printed: JSON from major 2 on, YAML before; `in_yaml`: the same in YAML, to look for `x-balance`.

    Raises `no_project`.
    """
    document = _loaded(printed, major)
    return Project(document.get("name"), document, major, parse_declared(in_yaml))


def balanced_document(project: Project, services: Collection[str]) -> Document:
    """The project with room for us: without the TCP ports, container names and `x-balance` of `services`.

    It can be read back by the Compose that rendered it, and nothing else in it differs.
    """
    every = {
        name: _balanced(service) if name in services else service
        for name, service in project.document["services"].items()
    }
    document = project.document | {"services": every}
    if "version" in document:
        document["version"] = _READ_BACK.get(document["version"], document["version"])
    return document


def render(document: Document) -> bytes:
    """The YAML that every Compose reads as `document`, whichever version of YAML it has learnt."""
    written: bytes = yaml.dump(document, Dumper=_Dumper, encoding="utf-8", sort_keys=False, width=float("inf"))
    return written


def without_udp(rendered: bytes, services: Collection[str]) -> bytes:
    """The rendered project without the ports of `services` that we cannot balance."""
    if not services:
        return rendered
    document = yaml.safe_load(rendered)
    for service in services:
        if ports := document["services"][service].get("ports"):
            document["services"][service]["ports"] = [entry for entry in ports if not _is_kept(entry)]
    return render(document)


def check_room(rendered: bytes, service: str, scale: int) -> None:
    """Raise `udp_port` where `scale` replicas cannot hold what the service publishes in the rendered project."""
    found = (yaml.safe_load(rendered).get("services") or {}).get(service) or {}
    _check_room(service, _ports(service, found), scale)


def is_another(service: str, rendered: bytes, other: bytes) -> bool:
    """Whether a replica of the service would be another one by the second of two rendered projects.

    How it is built, when it starts, and how many there are is no part of it.
    """
    return _definition(service, rendered) != _definition(service, other)


# Private


def _loaded(printed: str, major: int) -> Document:
    try:
        document = json.loads(printed) if major > 1 else yaml.safe_load(printed)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.no_project() from error
    if not isinstance(document, dict):
        raise errors.no_project()
    return document


_NOT_OF_A_REPLICA = ("build", "depends_on", "ports", "profiles", "pull_policy", "scale")


def _definition(service: str, rendered: bytes) -> Document | None:
    found = (yaml.safe_load(rendered).get("services") or {}).get(service)
    if not found:
        return None
    deploy = {key: value for key, value in (found.get("deploy") or {}).items() if key != "replicas"}
    return {key: value for key, value in found.items() if key not in _NOT_OF_A_REPLICA} | {"deploy": deploy}


class _Dumper(yaml.SafeDumper):
    """Quotes every text: `0o17` and `1e3` are numbers to the YAML of Go, `y` and `1:30` to that of Python."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_Dumper.add_representer(str, _quoted)


# docker-compose 1.29 makes replicas anew where an `x-` key has changed.
_OURS = ("container_name", KEY)


def _balanced(service: Mapping[str, Any]) -> Document:
    kept = [entry for entry in _entries(service) if _is_kept(entry)]
    return {key: value for key, value in service.items() if key not in _OURS} | {"ports": kept}


def _is_kept(entry: object) -> bool:
    """Whether the replicas publish it themselves, because we cannot balance it."""
    return any(port.protocol != "tcp" for port in parse_ports(entry))


def _ports(service: str, found: Mapping[str, Any]) -> tuple[Port, ...]:
    return tuple(port for entry in _entries(found) for port in _understood(service, entry))


def _understood(service: str, entry: object) -> tuple[Port, ...]:
    try:
        return parse_ports(entry)
    except (ValueError, KeyError) as error:
        raise errors.odd_port(service, str(entry)) from error


def _check_room(service: str, ports: Iterable[Port], scale: int) -> None:
    for port in ports:
        if port.protocol != "tcp" and port.room < scale:
            raise errors.udp_port(service, port.protocol, port.published[0], int(port.room), scale)


def _entries(service: Mapping[str, Any]) -> list[object]:
    return service.get("ports") or []
