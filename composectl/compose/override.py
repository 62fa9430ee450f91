"""The project that Compose reads instead of the user's files: the same, with the balanced ports left to the proxy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from composectl.compose.identity import without_own_keys
from composectl.compose.ports import parse_ports
from composectl.compose.project import X_BALANCE, Document, Project, check_capacity, ports_in
from composectl.compose.volumes import shared_data

# docker-compose 1.29 renders a file of 2016 as version 1, and refuses to read that back.
_READ_BACK = {"1": "2.4"}
_NOT_OF_A_REPLICA = ("build", "depends_on", "ports", "profiles", "pull_policy", "scale")


@dataclass(frozen=True, slots=True)
class PortOverrides:
    """What replicas publish: no UDP port where it is dropped, and the items of `ports:` by which they are reached."""

    without_udp: frozenset[str] = frozenset()
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def apply(self, rendered: bytes) -> bytes:
        """The rendered project as it is to be."""
        if not self.without_udp and not self.published:
            return rendered
        document = yaml.safe_load(rendered)
        for service in self.without_udp | self.published.keys():
            if found := document["services"].get(service):
                kept = [] if service in self.without_udp else _entries(found)
                found["ports"] = [*kept, *self.published.get(service, ())]
        return render(document)


def without_published_ports(project: Project, services: Collection[str]) -> Document:
    """The project for its Compose, whose `services` can have replicas, and expose their TCP ports.

    They have neither a name or an address of their own nor `x-balance`. No profile keeps them from coming up.
    """
    every = project.document["services"].items()
    enabled = project.enabled_by(services)
    balanced = {
        name: _balanced(service) if name in services else _without(service, "profiles") if name in enabled else service
        for name, service in every
    }
    document = project.document | {"services": balanced}
    if "version" in document:
        document["version"] = _READ_BACK.get(document["version"], document["version"])
    return document


def render(document: Document) -> bytes:
    """The YAML that every Compose reads as `document`, whichever version of YAML it has learnt."""
    written: bytes = yaml.dump(document, Dumper=_Dumper, encoding="utf-8", sort_keys=False, width=float("inf"))
    return written


def merge(rendered: bytes, newer: bytes, kept: Collection[str]) -> bytes:
    """All that two rendered projects name; `newer` decides where both do, but not over the services in `kept`."""
    document, update = yaml.safe_load(rendered), yaml.safe_load(newer)
    services = {name: service for name, service in document["services"].items() if name in kept}
    for section, entries in update.items():
        if isinstance(entries, dict):
            document[section] = (document.get(section) or {}) | entries
    document["services"] |= services
    return render(document)


def scaled(rendered: bytes, scales: Mapping[str, int]) -> bytes:
    """The rendered project, in which so many replicas of these services are asked for."""
    document = yaml.safe_load(rendered)
    for service, scale in scales.items():
        if found := document["services"].get(service):
            found["scale"] = scale
            if "replicas" in (found.get("deploy") or {}):
                found["deploy"]["replicas"] = scale
    return render(document)


def check_rendered_capacity(rendered: bytes, service: str, scale: int) -> None:
    """Raise `udp_port` where `scale` replicas cannot hold what the service publishes in the rendered project."""
    check_capacity(service, ports_in(service, definition_in(rendered, service)), scale)


def definition_in(rendered: bytes, service: str) -> Document:
    """The service in a rendered project; empty where it is not there."""
    found: Document = (yaml.safe_load(rendered).get("services") or {}).get(service) or {}
    return found


def rendered_shared_data(rendered: bytes, service: str) -> str:
    """A warning where several replicas of the service in the rendered project write to one volume; "" where not."""
    return shared_data(definition_in(rendered, service))


def differs(service: str, rendered: bytes, other: bytes) -> bool:
    """Whether two rendered projects define other replicas of the service, however they are built and ordered."""
    return _definition(service, rendered) != _definition(service, other)


# Private


class _Dumper(yaml.SafeDumper):
    """Quotes every text: `0o17` and `1e3` are numbers to the YAML of Go, `y` and `1:30` to that of Python."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def _balanced(service: Mapping[str, Any]) -> Document:
    entries = [(entry, parse_ports(entry)) for entry in _entries(service)]
    kept = [entry for entry, ports in entries if any(port.protocol != "tcp" for port in ports)]
    # docker-compose 1.29 makes replicas anew where an `x-` key has changed.
    balanced = _without(without_own_keys(service), "profiles", X_BALANCE) | {"ports": kept}
    # Docker exposes what it publishes, and other tools find a container's port by that.
    tcp = [f"{port.target}/tcp" for _, ports in entries for port in ports if port.protocol == "tcp"]
    if tcp:
        balanced["expose"] = [*dict.fromkeys([*map(str, service.get("expose") or ()), *tcp])]
    return balanced


def _without(service: Mapping[str, Any], *keys: str) -> Document:
    return {key: value for key, value in service.items() if key not in keys}


def _entries(service: Mapping[str, Any]) -> list[object]:
    return service.get("ports") or []


def _definition(service: str, rendered: bytes) -> Document | None:
    if not (found := definition_in(rendered, service)):
        return None
    deploy = {key: value for key, value in (found.get("deploy") or {}).items() if key != "replicas"}
    return {key: value for key, value in found.items() if key not in _NOT_OF_A_REPLICA} | {"deploy": deploy}
