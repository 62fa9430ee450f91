"""The networks, volumes, configs and secrets of a stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from composectl import errors
from composectl.compose.project import Document, Project

_KEPT = {
    "networks": ("attachable", "driver", "driver_opts", "external", "internal", "ipam", "labels", "name"),
    "volumes": ("driver", "driver_opts", "external", "labels", "name"),
    "configs": ("external", "file", "labels", "name", "template_driver"),
    "secrets": ("driver", "driver_opts", "external", "file", "labels", "name", "template_driver"),
}
_NOT_FROM = ("content", "environment")  # of configs and secrets
_OF_ONE_NODE = ("ipvlan", "macvlan")
_PREDEFINED = ("host", "bridge")


def used_resources(project: Project, services: Mapping[str, Document]) -> tuple[Document, list[str]]:
    """What these services use, by section, and a sentence for each thing that a swarm does otherwise."""
    sections: Document = {}
    sentences: list[str] = []
    for section, kept in _KEPT.items():
        declared = project.document.get(section) or {}
        for name in dict.fromkeys(_used(section, services)):
            found = declared.get(name)
            if found is None and section == "networks" and name in _PREDEFINED:
                found = {"external": True, "name": name}
            if found is not None or name in declared:
                sections.setdefault(section, {})[name] = _rendered(section, name, found or {}, kept, sentences)
    return sections, sentences


def unknown(keys: Sequence[str]) -> str:
    """What is told of keys that a swarm does not know."""
    return f"{errors.left_out(keys)}: a swarm does not know {'them' if len(keys) > 1 else 'it'}"


# Private


def _used(section: str, services: Mapping[str, Document]) -> Iterator[str]:
    for service in services.values():
        entries = service.get(section) or (("default",) if section == "networks" else ())
        for entry in entries:
            yield _name(section, entry)


def _name(section: str, entry: Any) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("source") or "")
    return str(entry).partition(":")[0] if section == "volumes" else str(entry)


def _rendered(
    section: str, name: str, found: Mapping[str, Any], kept: tuple[str, ...], sentences: list[str]
) -> Document:
    one = section.removesuffix("s")
    rendered = {key: value for key, value in found.items() if key in kept}
    for key in _NOT_FROM:
        if key in found:
            raise errors.ComposectlError(
                f"{one} `{name}` cannot be deployed to a swarm: `{key}`",
                "write it to a file, and name that with `file:`",
            )
    left_out = [key for key, value in found.items() if key not in kept and value and not key.startswith("x-")]
    if section == "networks":
        rendered = _network(name, rendered, sentences)
        left_out += [f"ipam.{key}" for key in _left_out_of_ipam(found)]
    if left_out:
        sentences.append(f"{one} `{name}`: {unknown(left_out)}")
    return rendered


def _network(name: str, found: Document, sentences: list[str]) -> Document:
    driver = found.get("driver")
    if driver in _OF_ONE_NODE:
        raise errors.ComposectlError(
            f"network `{name}` cannot be deployed to a swarm: its `driver` is `{driver}`",
            "create it with `docker network create --scope swarm --config-from ...`, and declare it `external: true`",
        )
    if driver == "bridge":
        sentences.append(f"network `{name}` is an overlay: a bridge joins the containers of one node")
        found = {key: value for key, value in found.items() if key not in ("driver", "driver_opts")}
    if "ipam" in found:
        found = found | {"ipam": _ipam(found["ipam"] or {})}
    return found


def _ipam(found: Mapping[str, Any]) -> Document:
    subnets = [{"subnet": pool["subnet"]} for pool in found.get("config") or () if _is_ipv4(pool)]
    driver = {"driver": found["driver"]} if found.get("driver") else {}
    return {**driver, **({"config": subnets} if subnets else {})}


def _is_ipv4(pool: Mapping[str, Any]) -> bool:
    """A stack file has no `enable_ipv6`, and without it a task gets an address that its network does not have."""
    return bool(pool.get("subnet")) and ":" not in str(pool["subnet"])


def _left_out_of_ipam(network: Mapping[str, Any]) -> Iterator[str]:
    ipam = network.get("ipam") or {}
    if ipam.get("options"):
        yield "options"
    pools = ipam.get("config") or ()
    yield from (f"config.subnet: {pool['subnet']}" for pool in pools if pool.get("subnet") and not _is_ipv4(pool))
    yield from dict.fromkeys(f"config.{key}" for pool in pools for key in pool if key != "subnet")
