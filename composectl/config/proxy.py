"""What `composectl proxy` was asked for: listeners before backends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.balance.backend import Replica
from composectl.compose.ports import Port
from composectl.config.admin import AdminConfig, make_admin_config
from composectl.config.service import AccessLogConfig, BalancingConfig, balancing, make_access_log_config
from composectl.config.values import Address, parse_backend, parse_each, parse_listener, parse_target
from composectl.orchestrator.self_discovery import ServiceBackends

# What Compose allows as a project's name, which this stands in for.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
SERVICE_NAME = "DOCKER_COMPOSE_SERVICE_NAME"
_LISTEN = ("8080",)


@dataclass(frozen=True, slots=True)
class StaticBackends:
    """Backends with an address each, which nothing adds to or removes."""

    addresses: tuple[Address, ...]

    @property
    def replicas(self) -> list[Replica]:
        """The backends as replicas, numbered from 1."""
        return [_replica(number, address) for number, address in enumerate(self.addresses, 1)]


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """`name`: by which other commands find the proxy; empty for that of the project, or of the first listener."""

    backends: StaticBackends | ServiceBackends
    listen: tuple[Address, ...]
    balancing: BalancingConfig
    name: str
    detach: bool
    access_log: AccessLogConfig | None = None
    admin: AdminConfig = field(default_factory=AdminConfig)

    @property
    def ports(self) -> list[Port]:
        """The listeners as ports; without a target where each backend has a port of its own."""
        target = self.backends.port if isinstance(self.backends, ServiceBackends) else None
        return [Port(one.host, (one.port, one.port), target, "tcp") for one in self.listen]


def make_proxy_config(typed: Mapping[str, Any], project: str, environ: Mapping[str, str], cwd: Path) -> ProxyConfig:
    """What the `typed` options and the environment ask for; `project`: as `-p` names it. Raises ComposectlError."""
    is_static = bool(typed["backends"])
    backends = _static_backends(typed) if is_static else _service_backends(typed, project, environ)
    name = typed["name"] or (project if is_static else "")
    if name and not _NAME.fullmatch(name):
        raise errors.bad_name(name)
    return ProxyConfig(
        backends,
        parse_each("--listen", parse_listener, typed["listen"] or _LISTEN),
        balancing(typed),
        name,
        typed["detach"],
        make_access_log_config(typed, cwd),
        make_admin_config(typed),
    )


# Private


def _static_backends(typed: Mapping[str, Any]) -> StaticBackends:
    for option in ("service", "port"):
        if typed[option]:
            raise errors.fixed_and_followed(f"--{option}")
    if not typed["listen"]:
        raise errors.listen_where()
    return StaticBackends(parse_each("--backend", parse_backend, typed["backends"]))


def _service_backends(typed: Mapping[str, Any], project: str, environ: Mapping[str, str]) -> ServiceBackends:
    service = typed["service"] or environ.get(SERVICE_NAME, "")
    if not service:
        raise errors.whom_to_follow(SERVICE_NAME)
    return ServiceBackends(
        service,
        (project or environ.get("COMPOSE_PROJECT_NAME", "")).lower(),
        parse_target(typed["port"]) if typed["port"] else None,
    )


def _replica(number: int, address: Address) -> Replica:
    digest = sha256(str(address).encode()).hexdigest()
    nobody_stops_it = float("inf")
    return Replica(
        digest, "", number, str(address), address.host, stop_grace_period=nobody_stops_it, ports=((None, address.port),)
    )
