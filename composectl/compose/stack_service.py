"""A service as `config` prints it, made fit for a swarm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from composectl import errors
from composectl.compose.identity import without_own_keys
from composectl.compose.ports import ANY, Port, parse_ports
from composectl.compose.project import Document
from composectl.compose.stack_deploy import render_deploy
from composectl.compose.stack_resources import unknown

_KEPT = (
    *("cap_add", "cap_drop", "command", "configs", "credential_spec", "dns", "dns_search", "entrypoint", "environment"),
    *("extra_hosts", "healthcheck", "hostname", "image", "init", "isolation", "labels", "logging", "networks"),
    *("oom_score_adj", "read_only", "secrets", "stdin_open", "stop_grace_period", "stop_signal", "sysctls", "tmpfs"),
    *("tty", "ulimits", "user", "volumes", "working_dir"),
)
# What a swarm has in another form, or what is of no use there
_REPLACED = (
    *("attach", "build", "cpus", "depends_on", "deploy", "develop", "env_file", "expose", "extends", "label_file"),
    *("mem_limit", "mem_reservation", "network_mode", "pids_limit", "ports", "profiles", "pull_policy", "restart"),
    *("scale",),
)
_OF_AN_ENDPOINT = ("aliases", "driver_opts")
_OF_A_MOUNT = {"bind": ("propagation",), "volume": ("nocopy",), "tmpfs": ("size",)}
_REFUSED = {
    "gpus": "use `deploy.resources.reservations.generic_resources`",
    "volumes_from": "name the volumes of the other service under `volumes`",
}
_PREDEFINED = ("host", "bridge")  # networks that each node has
_EVERY_ADDRESS = ("", "0.0.0.0", "::")
_WAITS = ("service_healthy", "service_completed_successfully")


class StackService:
    """`render` gives the service, and `sentences` then what a swarm has not of it. Raises ComposectlError."""

    def __init__(self, name: str, definition: Mapping[str, Any], *, runs_once: bool = False) -> None:
        self.name = name
        self.definition = dict(definition)
        self._runs_once = runs_once
        self._left_out: list[str] = []
        self._told: list[str] = []
        self._balanced_ports: list[Document] | None = None
        self._has_udp = True
        self._deploy: Document = {}
        _check(name, definition)

    def balance(self, replicas: int, targets: Sequence[int], labels: Mapping[str, str], *, udp: bool = True) -> None:
        """Publish these targets at free ports of each node, and leave the other TCP ports to the proxy; `udp`: those
        of UDP to the swarm."""
        self._has_udp = udp
        self.definition = without_own_keys(self.definition)
        self._balanced_ports = [{"target": target, "mode": "host", "protocol": "tcp"} for target in targets]
        self._deploy = {"replicas": replicas, "labels": labels, "order": "start-first"}

    def render(self) -> Document:
        found = self.definition
        rendered = {key: _fit(key, found[key]) for key in _KEPT if found.get(key) is not None}
        known = (*_KEPT, *_REPLACED)
        self._left_out += [key for key, value in found.items() if value and key not in known and key[:2] != "x-"]
        if isinstance(networks := rendered.get("networks"), Mapping):
            rendered["networks"] = {name: self._endpoint(name, networks[name]) for name in networks}
        if (mode := found.get("network_mode")) in _PREDEFINED:
            rendered["networks"] = {mode: None}
        if ports := [] if mode == "host" else [*(self._balanced_ports or ()), *self._ports()]:
            rendered["ports"] = ports
        deploy, left_out = render_deploy(self.name, found, runs_once=self._runs_once, **self._deploy)
        self._left_out += left_out
        self._tell_mounts(rendered)
        self._tell_order()
        return rendered | {"deploy": deploy} if deploy else rendered

    def sentences(self) -> Iterator[str]:
        if self._left_out:
            yield f"{self.name}: {unknown(self._left_out)}"
        yield from (f"{self.name}: {sentence}" for sentence in self._told)

    # Private

    def _endpoint(self, network: str, found: Mapping[str, Any] | None) -> Document | None:
        self._left_out += [f"networks.{network}.{key}" for key in found or () if key not in _OF_AN_ENDPOINT]
        return {key: value for key, value in found.items() if key in _OF_AN_ENDPOINT} if found else None

    def _ports(self) -> Iterator[Document]:
        """Those that are left to the swarm: of a balanced service, the ones that are not TCP."""
        for entry in self.definition.get("ports") or ():
            mode = (entry.get("mode") if isinstance(entry, Mapping) else "") or "ingress"
            for port in parse_ports(entry):
                if self._is_of_the_proxy(port):
                    continue
                if port.host_ip in _EVERY_ADDRESS:
                    yield self._port(port, mode)
                else:
                    self._told.append(
                        f"{port.place} stays unpublished: a swarm publishes at every address of its nodes"
                    )

    def _is_of_the_proxy(self, port: Port) -> bool:
        return self._balanced_ports is not None and (port.protocol == "tcp" or not self._has_udp)

    def _port(self, port: Port, mode: str) -> Document:
        first, last = port.published
        if first != last:
            self._told.append(f"of the ports {first}-{last}, {first} is published")
        published = {} if port.published == ANY else {"published": first}
        return {"target": port.target, **published, "protocol": port.protocol, "mode": mode}

    def _tell_mounts(self, rendered: Document) -> None:
        binds = [source for kind, source in map(_source, rendered.get("volumes") or ()) if kind == "bind"]
        if binds:
            self._told.append(f"{errors.listed(dict.fromkeys(binds))} must exist on each node")

    def _tell_order(self) -> None:
        dependencies = self.definition.get("depends_on")
        hows = dependencies.values() if isinstance(dependencies, Mapping) else ()
        if any((how or {}).get("condition") in _WAITS for how in hows):
            self._told.append("`depends_on` is left out: a swarm starts all services at once")


# Private


def _check(name: str, definition: Mapping[str, Any]) -> None:
    """Raise ComposectlError for what a swarm cannot do without."""
    mode = str(definition.get("network_mode") or "")
    if not definition.get("image"):
        raise errors.ComposectlError(
            f"service `{name}` has no `image`, and the nodes of a swarm build none",
            "name one with `image:`, then build it and push it to a registry that each node reaches",
        )
    if mode and mode not in (*_PREDEFINED, "default"):
        raise errors.ComposectlError(
            f"service `{name}` cannot run in a swarm: `network_mode: {mode}`",
            "remove `network_mode`: services of one network reach each other by name",
        )
    for key, instead in _REFUSED.items():
        if definition.get(key):
            raise errors.ComposectlError(f"service `{name}` cannot run in a swarm: `{key}`", instead)


def _fit(key: str, value: Any) -> Any:
    """What `config` prints under this key, in the form of a stack file."""
    fit = _FITTED.get(key)
    return fit(value) if fit else value


def _environment(value: Any) -> Any:
    """Without the variables that are set nowhere: they would be set to nothing."""
    return {name: text for name, text in value.items() if text is not None} if isinstance(value, Mapping) else value


def _hosts(value: Any) -> Any:
    """`name=address` is what Compose prints, and `name:address` what the older command reads."""
    entries = value.items() if isinstance(value, Mapping) else (_pair(entry) for entry in value)
    return [f"{name}:{address}" for name, address in entries]


def _pair(entry: str) -> tuple[str, str]:
    separator = "=" if "=" in entry else ":"
    name, _, address = entry.partition(separator)
    return name, address.strip("[]")


def _files(value: Sequence[Any]) -> list[Any]:
    """Configs and secrets: Compose prints their mode in octal."""
    return [
        entry | {"mode": int(entry["mode"], 8)}
        if isinstance(entry, dict) and isinstance(entry.get("mode"), str)
        else entry
        for entry in value
    ]


def _mounts(value: Sequence[Any]) -> list[Any]:
    return [_mount(entry) if isinstance(entry, Mapping) else entry for entry in value]


def _mount(entry: Mapping[str, Any]) -> Document:
    mount = {
        key: value for key, value in entry.items() if key in ("type", "source", "target", "read_only", "consistency")
    }
    for kind, keys in _OF_A_MOUNT.items():
        if kept := _picked(entry.get(kind) or {}, keys):
            mount[kind] = {key: int(value) if key == "size" else value for key, value in kept.items()}
    return mount


def _picked(found: Mapping[str, Any], keys: Collection[str]) -> Document:
    return {key: value for key, value in found.items() if key in keys}


def _source(mount: Any) -> tuple[str, str]:
    """The kind and the source of a mount."""
    if isinstance(mount, Mapping):
        return str(mount.get("type")), str(mount.get("source") or "")
    source = str(mount).partition(":")[0]
    return "bind" if source.startswith(("/", "~", ".")) and ":" in str(mount) else "volume", source


_FITTED: Mapping[str, Callable[[Any], Any]] = {
    "configs": _files,
    "environment": _environment,
    "extra_hosts": _hosts,
    "secrets": _files,
    "volumes": _mounts,
}
