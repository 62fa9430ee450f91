"""What `composectl up` was asked for, by its command line and by the compose file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.compose.argv import UpArguments, parse_scale, sort_up_arguments, starts_nothing
from composectl.compose.client import LoadedProject
from composectl.compose.options import Invocation, active_profiles
from composectl.compose.project import X_BALANCE, Project
from composectl.config.admin import AdminConfig, make_admin_config
from composectl.config.service import AccessLogConfig, BalancingConfig, balancing, make_access_log_config
from composectl.config.values import parse_listen
from composectl.config.x_balance import XBalance, merge, parse_x_balance
from composectl.control.client import Client, running_daemons
from composectl.control.pacing import run
from composectl.control.paths import runtime_dir
from composectl.errors import ComposectlError
from composectl.orchestrator.addressing import AUTO, BACKEND_ADDRESSES
from composectl.orchestrator.compose import count_replicas, find_client
from composectl.screen.console import info


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One balanced service. `listen`: where to listen in place of the published ports.

    `port`: the container's port that is checked, and that `listen` means; None for the first that is published.
    `drop_udp`: without the UDP ports that only one replica could hold.
    """

    scale: int
    balancing: BalancingConfig
    listen: tuple[str, ...] = ()
    port: int | None = None
    drop_udp: bool = False


@dataclass(frozen=True, slots=True)
class UpConfig:
    """`services`: those that are to be balanced; `connections`: how many clients at once, None for the default.

    `ready_timeout`: how long `-d` waits for the first backend. `handover`: take over from the composectl that runs.
    `backend_address`: one of `BACKEND_ADDRESSES`. `access_log`: None for none.
    """

    services: Mapping[str, ServiceConfig]
    detach: bool
    ready_timeout: float
    arguments: UpArguments
    connections: int | None = None
    handover: bool = False
    backend_address: str = AUTO
    access_log: AccessLogConfig | None = None
    admin: AdminConfig = field(default_factory=AdminConfig)

    @property
    def scales(self) -> dict[str, int]:
        """How many replicas of which service."""
        return {service: one.scale for service, one in self.services.items()}

    @property
    def dropping_udp(self) -> frozenset[str]:
        """The services whose UDP ports are to be left out."""
        return frozenset(service for service, one in self.services.items() if one.drop_udp)


def make_up_config(
    scales: Mapping[str, int],
    typed: Mapping[str, Any],
    arguments: Sequence[str],
    cwd: Path,
    declared: Mapping[str, XBalance] | None = None,
    typed_scales: Sequence[str] = (),
) -> UpConfig:
    """What the `typed` options ask for, for these services, some of which were `declared` in the compose file.

    `--listen` means the only service that was typed, else the only one. Raises ComposectlError where it makes no sense.
    """
    meant = tuple(typed_scales) or tuple(scales)
    if typed["listen"] and len(meant) > 1:
        raise errors.listen_for_whom()
    for text in typed["listen"]:
        parse_listen(text, 0)
    return UpConfig(
        {
            service: _service_config(scale, (declared or {}).get(service, XBalance()), typed, listens=service in meant)
            for service, scale in scales.items()
        },
        detach=typed["detach"],
        ready_timeout=typed["ready_timeout"] or 60.0,
        arguments=sort_up_arguments(arguments, scales),
        connections=balancing(merge({}, typed)).max_connections,
        handover=typed["handover"],
        backend_address=_backend_address(typed["backend_address"] or AUTO),
        access_log=make_access_log_config(typed, cwd),
        admin=make_admin_config(typed),
    )


def parse_scales(texts: Sequence[str]) -> dict[str, int]:
    """Each `SERVICE=N`, by service. Raises what `parse_scale` does, and `balanced_twice`."""
    scales: dict[str, int] = {}
    for text in texts:
        service, scale = parse_scale(text)
        if service in scales:
            raise errors.balanced_twice(service)
        scales[service] = scale
    return scales


def load_up_config(
    invocation: Invocation, typed: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[UpConfig, LoadedProject] | None:
    """What the `typed` options and the compose file ask for, and the project; None where nothing is to be balanced.

    Raises ComposectlError.
    """
    typed_scales = parse_scales(typed["balance"])
    if typed_scales:
        make_up_config(typed_scales, typed, arguments, invocation.cwd)  # refused before anything is run
    elif starts_nothing(arguments):
        return None
    loaded = _read(invocation, is_needed=bool(typed_scales))
    if loaded is None:
        return None
    declared = {service: parse_x_balance(service, told) for service, told in loaded.project.x_balance.items()}
    scales = typed_scales | _untyped(invocation, loaded, declared, typed_scales, arguments)
    if not scales:
        return None
    return make_up_config(scales, typed, arguments, invocation.cwd, declared, tuple(typed_scales)), loaded


def declared_scales(
    project: Project, declared: Mapping[str, XBalance], starting: Collection[str], kept: Mapping[str, int]
) -> dict[str, int]:
    """How many replicas of each declared service that is `starting`.

    That is what its `x-balance` says; else what was `kept`, else what the file says without us.
    """
    return {
        service: kept.get(service, project.declared_scale(service)) if one.replicas is None else one.replicas
        for service, one in declared.items()
        if service in starting
    }


def starting_services(
    project: Project, arguments: UpArguments, also: Collection[str], profiles: Collection[str]
) -> set[str]:
    """The services that `up` brings up, given its arguments; those of `also` come with the ones that are named."""
    named = (*arguments.services, *also) if arguments.services else project.started_by(profiles)
    return set(named) if "--no-deps" in arguments.options else project.started_with(named)


def running_scales(invocation: Invocation, loaded: LoadedProject) -> dict[str, int]:
    """How many replicas of which service a balanced project has.

    That is what the running composectl was told last; where none runs, it is read from the containers: several of a
    service that publishes one port can only have been balanced. Empty where anything keeps us from knowing.
    """
    try:
        return dict(run(_scales(invocation, loaded)))
    except ComposectlError:
        return {}


# Private


def _backend_address(name: str) -> str:
    if name not in BACKEND_ADDRESSES:
        raise errors.unknown_backend_address(name, BACKEND_ADDRESSES)
    return name


def _service_config(scale: int, declared: XBalance, typed: Mapping[str, Any], *, listens: bool) -> ServiceConfig:
    given = merge(declared.given, typed)
    listen = tuple(given["listen"]) if listens else tuple(declared.given["listen"])
    return ServiceConfig(scale, balancing(given), listen, declared.port, given["drop_udp"])


def _read(invocation: Invocation, *, is_needed: bool) -> LoadedProject | None:
    """The project; where nobody needs it and it cannot be read, Compose may tell why itself."""
    try:
        return run(find_client(invocation).load_with_x_balance())
    except errors.ComposectlError as error:
        if is_needed or X_BALANCE in error.message:
            raise
        return None


def _untyped(
    invocation: Invocation,
    loaded: LoadedProject,
    declared: Mapping[str, XBalance],
    typed_scales: Mapping[str, int],
    arguments: Sequence[str],
) -> dict[str, int]:
    """What nobody typed: the declared services, and, where nothing was typed at all, those of before."""
    try:
        told = sort_up_arguments(arguments, typed_scales)
    except errors.ComposectlError:
        if declared:
            raise
        return {}
    profiles = active_profiles(invocation.options, loaded.client.environ, invocation.cwd)
    starting = starting_services(loaded.project, told, typed_scales, profiles)
    for service in sorted(loaded.lost & starting - typed_scales.keys()):
        raise errors.declaration_lost(service)
    kept = {} if typed_scales else running_scales(invocation, loaded)
    from_file = declared_scales(loaded.project, declared, starting - typed_scales.keys(), kept)
    before = {service: count for service, count in kept.items() if service in (told.services or kept)}
    return from_file | _told_of({service: count for service, count in before.items() if service not in declared})


def _told_of(kept: dict[str, int]) -> dict[str, int]:
    """The same, said in a line."""
    if kept:
        scales = ", ".join(f"{service}={count}" for service, count in kept.items())
        info(f"balanced as before: {scales}; `--balance SERVICE=N` changes it")
    return kept


async def _scales(invocation: Invocation, loaded: LoadedProject) -> Mapping[str, int]:
    name = loaded.client.name_of(loaded.project)
    for client in running_daemons(runtime_dir(invocation.environ)):
        if client.info.has_project and client.info.project == name:
            return _told(client)
    there = (await count_replicas(invocation)).get(name, {})
    return {service: count for service, count in there.items() if _was_balanced(loaded.project, service, count)}


def _told(client: Client) -> dict[str, int]:
    return {one["service"]: one["desired"] for one in client.status()["services"]}


def _was_balanced(project: Project, service: str, count: int) -> bool:
    return service in project.services and any(port.capacity < count for port in project.tcp_ports(service))
