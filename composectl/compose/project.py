"""A project as `config` renders it: which services it has, and what they publish."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from composectl import errors
from composectl.compose.identity import own_keys
from composectl.compose.ports import Port, base_60, parse_ports
from composectl.compose.size import check_size, too_deep
from composectl.compose.volumes import shared_data

Document = dict[str, Any]
X_BALANCE = "x-balance"
_PROJECT = "the project that Compose's `config` printed"
_MAX_X_BALANCE = 100_000  # characters, of one service


@dataclass(frozen=True, slots=True)
class Project:
    """`name` is None where `config` did not tell it; `x_balance` is what `read_x_balance` returns."""

    name: str | None
    document: Document
    x_balance: Mapping[str, object] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self.document.get("services") or ())

    def ports(self, service: str) -> tuple[Port, ...]:
        """What `service` publishes, in the file's order."""
        return ports_in(service, self._service(service))

    def tcp_ports(self, service: str) -> tuple[Port, ...]:
        """Those of its ports that can be balanced."""
        return tuple(port for port in self.ports(service) if port.protocol == "tcp")

    def started_by(self, profiles: Collection[str]) -> tuple[str, ...]:
        """The services that `up` starts where none is named: those without a profile, and those of these `profiles`."""
        of = {service: self._profiles(service) for service in self.services}
        return tuple(service for service, its in of.items() if not its or "*" in profiles or set(its) & set(profiles))

    def started_with(self, services: Collection[str], *, required: bool = False) -> set[str]:
        """These services, and all that they depend on; `required`: without what they can do without."""
        started: set[str] = set()
        coming = [service for service in services if service in self.services]
        while coming:
            service = coming.pop()
            if service not in started:
                started.add(service)
                # Compose does not start it without these.
                definition = self._service(service)
                links = [link for key in ("links", "volumes_from") for link in definition.get(key) or ()]
                names = [str(link).partition(":")[0] for link in links]
                network = str(definition.get("network_mode") or "").removeprefix("service:")
                needed = (*_dependencies(definition, required), *names, network)
                coming += [name for name in needed if name in self.services]
        return started

    def starting(
        self, named: Collection[str], also: Collection[str], profiles: Collection[str], *, alone: bool = False
    ) -> set[str]:
        """The services that `up` brings up: those that are `named`, or else all, those of `also`, and what they need.

        `alone`: without what they need.
        """
        services = (*(named or self.started_by(profiles)), *also)
        return set(services) if alone else self.started_with(services)

    def enabled_by(self, services: Collection[str]) -> set[str]:
        """These services, and those that they depend on in a profile of theirs: naming a service enables its profiles.

        https://docs.docker.com/compose/how-tos/profiles/
        """
        profiles = {profile for service in services for profile in self._profiles(service)}
        needed = self.started_with(services)
        return {service for service in needed if service in services or profiles.intersection(self._profiles(service))}

    def check_enabled(self, services: Collection[str], profiles: Collection[str]) -> None:
        """Raise ComposectlError where these services need another one that neither they nor these profiles enable."""
        enabled = self.enabled_by(services).union(self.started_by(profiles))
        for service in sorted(self.started_with(services, required=True) - enabled):
            profile = self.profiles([service])[0]
            raise errors.ComposectlError(
                f"service `{service}` is needed, but its profile `{profile}` is not enabled",
                f"`composectl --profile {profile} up ...` enables it",
            )

    def profiles(self, services: Collection[str]) -> tuple[str, ...]:
        """The profiles of these services."""
        return tuple(sorted({profile for service in services for profile in self._profiles(service)}))

    def own_keys(self, service: str) -> tuple[str, ...]:
        """The keys of the service that several replicas cannot share, with their values."""
        return own_keys(self._service(service))

    def shared_data(self, service: str) -> str:
        """A warning where several replicas of the service would write to one volume; "" where they would not."""
        return shared_data(self._service(service))

    def in_order(self, services: Iterable[str]) -> tuple[str, ...]:
        """These services, each one behind those that it depends on."""
        return tuple(sorted(services, key=lambda service: (len(self.started_with((service,))), service)))

    def declared_scale(self, service: str) -> int:
        """How many replicas the file itself wants of it: `scale`, `deploy.replicas`, or one."""
        of = self._service(service)
        counts = (of.get("scale"), (of.get("deploy") or {}).get("replicas"))
        return next((int(count) for count in counts if count is not None), 1)

    def check_balanced(self, service: str, scale: int, *, listens: bool = False, drop_udp: bool = False) -> None:
        """Raise ComposectlError where `service` cannot be balanced over `scale` replicas.

        `listens`: `--listen` names its listeners; `drop_udp`: its UDP ports are left out.
        """
        if service not in self.services:
            raise errors.unknown_service(service, self.services)
        definition = self._service(service)
        if _shares_an_address(definition):
            mode = definition["network_mode"]
            raise errors.ComposectlError(
                f"the replicas of service `{service}` share one address (`network_mode: {mode}`)",
                "remove `network_mode`: each replica then joins the project's network",
            )
        if not listens and not self.tcp_ports(service):
            raise errors.ComposectlError(
                f"service `{service}` publishes no TCP port",
                "name the host port and the container port: `--listen 8080:80`",
            )
        if not drop_udp:
            check_capacity(service, self.ports(service), scale)

    def check_not_balanced(self, service: str, scale: int) -> None:
        """Raise `too_few_ports` where the service is not balanced, and `scale` replicas cannot hold its ports."""
        if scale < 2 or _shares_an_address(self._service(service)):
            return
        ports = self.ports(service)
        narrow = [port for port in ports if port.capacity < scale]
        if narrow:
            first, remedy = narrow[0], ""
            if any(port.protocol == "tcp" for port in ports):
                drops_udp = any(port.protocol != "tcp" for port in narrow)
                remedy = f"--balance {service}={scale}{' --drop-udp' if drops_udp else ''}"
            raise errors.too_few_ports(service, first.place, int(first.capacity), scale, remedy)

    # Private

    def _profiles(self, service: str) -> Collection[str]:
        found = self.document["services"].get(service) or {}
        return found.get("profiles") or ()

    def _service(self, service: str) -> Document:
        found: Document = self.document["services"][service]
        return found


def parse_project(printed: str, *, in_yaml: bool = False) -> Project:
    """What `config` printed: JSON, or YAML from docker-compose 1. Raises ComposectlError."""
    with _read_errors():
        document = yaml.safe_load(printed) if in_yaml else json.loads(printed)
    if not isinstance(document, dict):
        raise errors.no_project()
    check_size(_PROJECT, document)
    return Project(document.get("name"), document)


def ports_in(service: str, definition: Mapping[str, Any]) -> tuple[Port, ...]:
    """What this definition of a service publishes, in its order. Raises ComposectlError."""
    ports: list[Port] = []
    for entry in definition.get("ports") or ():
        try:
            ports += parse_ports(entry)
        except (ValueError, KeyError) as error:
            meant = base_60(entry)
            raise errors.ComposectlError(
                f"service `{service}` publishes an invalid port `{entry!s}`",
                f'YAML 1.1 reads `{meant}` without quotes as a number in base 60: write `"{meant}"`'
                if meant
                else "for example: `8080:80`, `127.0.0.1:8080:80`, `8000-8009:80/udp`",
            ) from error
    return tuple(ports)


def check_capacity(service: str, ports: Iterable[Port], scale: int) -> None:
    """Raise `udp_port` where `scale` replicas cannot hold those of these ports that are not balanced."""
    for port in ports:
        if port.protocol != "tcp" and port.capacity < scale:
            raise errors.udp_port(service, port.protocol, port.published[0], int(port.capacity), scale)


def read_x_balance(printed: str) -> dict[str, object]:
    """What stands under `x-balance`, by service, in the YAML that `config` printed; its scalars are texts.

    So a number, and a text of digits that came of a variable, are the same. Raises ComposectlError.
    """
    if X_BALANCE not in printed:
        return {}
    with _read_errors():
        document = yaml.load(printed, yaml.BaseLoader)  # no types, hence harmless
    declared = {name: service[X_BALANCE] for name, service in _services(document).items() if X_BALANCE in service}
    for name, value in declared.items():
        check_size(f"`{X_BALANCE}` of service `{name}`", value, _MAX_X_BALANCE)
    return {name: _plain(value) for name, value in declared.items()}


def services_with_x_balance(files: Iterable[Path]) -> set[str]:
    """The services under which `x-balance` stands in any of these files; what cannot be read says nothing."""
    declaring: set[str] = set()
    for file in files:
        with suppress(OSError, ValueError, RecursionError, yaml.YAMLError):
            services = _services(yaml.load(file.read_bytes(), yaml.BaseLoader))
            declaring |= {name for name, service in services.items() if X_BALANCE in service}
    return declaring


# Private


@contextmanager
def _read_errors() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise too_deep(_PROJECT) from None
    except (ValueError, yaml.YAMLError) as error:
        raise errors.no_project() from error


def _services(document: object) -> Document:
    """The services of a document that are mappings, whatever else is in it."""
    services = document.get("services") if isinstance(document, dict) else None
    found = services.items() if isinstance(services, dict) else ()
    return {name: service for name, service in found if isinstance(service, dict)}


def _dependencies(definition: Mapping[str, Any], required: bool) -> Iterator[str]:
    """What it depends on: a list of names, or how it does by name."""
    dependencies = definition.get("depends_on") or {}
    for name in dependencies:
        how = dependencies[name] if isinstance(dependencies, Mapping) else {}
        if not required or (how or {}).get("required", True):
            yield name


def _shares_an_address(definition: Mapping[str, Any]) -> bool:
    """Whether its containers have no address of their own."""
    mode = str(definition.get("network_mode") or "")
    return mode in ("host", "none") or mode.startswith(("service:", "container:"))


def _plain(value: object) -> object:
    """`config` doubles each `$`."""
    match value:
        case str():
            return value.replace("$$", "$")
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return value
