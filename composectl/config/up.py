"""What `composectl up` was asked for: flags over `x-balance` over what ran before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from composectl import errors
from composectl.balance.replica_range import ReplicaRange, Scale, read_scale, start_of
from composectl.compose.argv import (
    UpArguments,
    check_stack_arguments,
    sort_up_arguments,
    split_up_arguments,
    starts_nothing,
)
from composectl.compose.client import LoadedProject
from composectl.compose.files import check_input
from composectl.compose.options import Invocation, active_profiles, project_directory_of
from composectl.compose.project import X_BALANCE, Project
from composectl.config.daemon import UpConfig
from composectl.config.options import KEYS, OPTIONS
from composectl.config.protocols import make_protocols
from composectl.config.service import PAUSE, ServiceConfig, check_range
from composectl.config.settings import Settings, build, build_daemon
from composectl.config.tls import check_tls
from composectl.config.values import ServiceRoute
from composectl.config.x_balance import XBalance, check_combinations, flag_of, parse_x_balance
from composectl.control.client import running_daemons
from composectl.control.pacing import run
from composectl.control.paths import runtime_dir
from composectl.orchestrator.compose import count_replicas, find_client
from composectl.orchestrator.stack import count_stack_replicas
from composectl.screen.console import info

_LISTEN = KEYS["listen"]
_ROUTE = next(row for row in OPTIONS if row.name == "route")


def load_up_config(
    invocation: Invocation, typed_scales: Mapping[str, Scale], flags: Settings, arguments: Sequence[str]
) -> tuple[UpConfig, LoadedProject] | None:
    """What is asked for, and the project; None where nothing is to be balanced. Raises ComposectlError."""
    if typed_scales:
        make_up_config(typed_scales, flags, arguments)  # most of what is wrong is refused before anything is run
    elif starts_nothing(arguments):
        return None
    check_input(invocation.options, invocation.environ, invocation.cwd)
    try:
        loaded = run(find_client(invocation).load_with_x_balance())
    except errors.ComposectlError as error:
        if typed_scales or X_BALANCE in error.message or any(row.name != "detach" for row in flags):
            raise
        return None  # Compose's own `up` prints what is wrong
    folder = project_directory_of(invocation.options, loaded.client.environ, invocation.cwd)
    declared = {
        service: parse_x_balance(service, value).relative_to(folder)
        for service, value in loaded.project.x_balance.items()
    }
    in_swarm = any(row.name == "swarm" for row in flags)
    scales = dict(typed_scales) | _untyped_scales(
        invocation, loaded, declared, typed_scales, arguments, in_swarm=in_swarm
    )
    before: Mapping[str, int] = {}
    if any(isinstance(scale, ReplicaRange) for scale in scales.values()):
        before = _scales_before(invocation, loaded, in_swarm=in_swarm)[1]
    profiles = active_profiles(invocation.options, loaded.client.environ, invocation.cwd)
    split = split_up_arguments(arguments)
    if not in_swarm:  # there, each port is that of all nodes
        check_others(loaded.project, split, scales, profiles)
    if "--no-deps" not in split.options:
        loaded.project.check_enabled(scales, profiles)
    if not scales:
        return None
    return make_up_config(scales, flags, arguments, declared, tuple(typed_scales), before), loaded


def make_up_config(
    scales: Mapping[str, Scale],
    flags: Settings,
    arguments: Sequence[str],
    declared: Mapping[str, XBalance] | None = None,
    typed: Sequence[str] = (),
    before: Mapping[str, int] | None = None,
) -> UpConfig:
    """What the flags ask for, for these services, some of which were `declared` in the compose file, some `typed`.

    A range begins with the replicas of `before`.

    `--listen` means the only service that was typed, else the only one. Raises ComposectlError where it makes no sense.
    """
    listening = tuple(typed) or tuple(scales)
    if _LISTEN in flags and len(listening) > 1:
        raise errors.UsageError(
            "`--listen` is ambiguous: several services are balanced",
            "omit `--listen`: each service is served on the ports that it publishes",
        )
    if declared is not None:
        _check_routes(flags.get(_ROUTE, ()), scales)
    rest = {row: value for row, value in flags.items() if row is not _LISTEN}
    services = {}
    for service, scale in scales.items():
        own = _of_service(flags if service in listening else rest, service)
        file = (declared or {}).get(service, XBalance()).settings
        check_combinations({**file, **own}, flag_of)
        built = services[service] = build(
            ServiceConfig,
            own,
            file,
            scale=start_of(scale, (before or {}).get(service, 0)),
            range=scale if isinstance(scale, ReplicaRange) else None,
            protocols=make_protocols(own, file),
        )
        if declared is not None:  # what a flag requires may be declared
            check_tls(built.balancing.tls)
        if built.range is not None:
            check_range(service, built.range, built.balancing)
    config = build_daemon(UpConfig, flags, services=services, arguments=sort_up_arguments(arguments, scales))
    if config.swarm:
        _check_swarm(config)
    return config


def declared_scales(
    project: Project, declared: Mapping[str, XBalance], starting: Collection[str], before: Mapping[str, Scale]
) -> dict[str, Scale]:
    """How many replicas of each `starting` service: by its `x-balance`, else as `before`, else by the other keys."""
    return {
        service: before.get(service, project.declared_scale(service)) if balance.replicas is None else balance.replicas
        for service, balance in declared.items()
        if service in starting
    }


def starting_services(
    project: Project, arguments: UpArguments, also: Collection[str], profiles: Collection[str]
) -> set[str]:
    """The services that `up` brings up, given its arguments, and those of `also`, which are named, too."""
    return project.starting(arguments.services, also, profiles, alone="--no-deps" in arguments.options)


def check_others(
    project: Project, arguments: UpArguments, balanced: Collection[str], profiles: Collection[str]
) -> None:
    """Raise ComposectlError where a service that is not `balanced` would get more replicas than its ports allow."""
    for service in sorted(starting_services(project, arguments, balanced, profiles) & set(project.services)):
        if service not in balanced:
            scale = arguments.scales.get(service, project.declared_scale(service))
            project.check_not_balanced(service, scale)


# Private


def _of_service(flags: Settings, service: str) -> Settings:
    """The flags without the routes of other services."""
    routes = tuple(route for route in flags.get(_ROUTE, ()) if route.service == service)
    rest = {row: value for row, value in flags.items() if row is not _ROUTE}
    return rest | {_ROUTE: routes} if routes else rest


def _check_routes(routes: Iterable[ServiceRoute], services: Collection[str]) -> None:
    for route in routes:
        if route.service not in services:
            raise errors.UsageError(
                f"`--route {route}` names service `{route.service}`, which is not balanced",
                errors.did_you_mean(route.service, "services", sorted(services)),
            )


def _check_swarm(config: UpConfig) -> None:
    check_stack_arguments(config.arguments, prunes=config.stack.prune)
    if config.backend_address != "auto":
        raise errors.UsageError(
            "`--backend-address` cannot be combined with `--swarm`: tasks are reached at their nodes",
            "omit `--backend-address`",
        )
    for row in (KEYS["target_cpu"], KEYS["max_memory"]):
        if any(getattr(service.balancing.autoscale, row.key) is not None for service in config.services.values()):
            raise errors.UsageError(
                f"`{row.flag}` cannot be combined with `--swarm`: a manager does not know what tasks use",
                "omit it: `--target-in-flight` scales by requests",
            )
    if any(service.balancing.sleep_mode == PAUSE for service in config.services.values()):
        raise errors.UsageError(
            "`--sleep-mode pause` cannot be combined with `--swarm`: a swarm does not pause tasks",
            "omit it: a service that sleeps has no tasks",
        )


def _untyped_scales(
    invocation: Invocation,
    loaded: LoadedProject,
    declared: Mapping[str, XBalance],
    typed_scales: Mapping[str, Scale],
    arguments: Sequence[str],
    *,
    in_swarm: bool,
) -> dict[str, Scale]:
    """What was not typed: the declared services, and, where nothing was typed at all, those of before."""
    try:
        parsed = sort_up_arguments(arguments, typed_scales)
    except errors.ComposectlError:
        if declared:
            raise
        return {}
    profiles = active_profiles(invocation.options, loaded.client.environ, invocation.cwd)
    starting = starting_services(loaded.project, parsed, typed_scales, profiles)
    for service in sorted(loaded.lost & starting - typed_scales.keys()):
        raise errors.ComposectlError(
            f"docker-compose 1 drops the `x-balance` of service `{service}`, which several files or `extends` define",
            f"use `--balance {service}=10`, or Compose v2",
        )
    before: Mapping[str, Scale] = {} if typed_scales else _scales_before(invocation, loaded, in_swarm=in_swarm)[0]
    from_file = declared_scales(loaded.project, declared, starting - typed_scales.keys(), before)
    asked = parsed.services or before
    kept = {service: scale for service, scale in before.items() if service in asked and service not in declared}
    if kept:
        scales = ", ".join(f"{service}={scale}" for service, scale in kept.items())
        info(f"balanced as before: {scales}; `--balance SERVICE=N` changes it")
    return from_file | kept


def _scales_before(
    invocation: Invocation, loaded: LoadedProject, *, in_swarm: bool
) -> tuple[Mapping[str, Scale], Mapping[str, int]]:
    """What a balanced project was asked for, and how many replicas it has, by service; nothing where that is not known.

    The running composectl knows. Without one, the containers tell: a service that publishes one port, and has several
    replicas, can only have been balanced.
    """
    project, name = loaded.project, loaded.client.name_of(loaded.project)
    for client in running_daemons(runtime_dir(invocation.environ)):
        if client.info.has_project and client.info.project == name:
            services = client.status()["services"]
            counts = {service["service"]: service["desired"] for service in services}
            ranges = {service["service"]: service.get("range", "") for service in services}
            return {service: read_scale(ranges[service] or str(count)) for service, count in counts.items()}, counts
    with suppress(errors.ComposectlError):
        found = run(_count_replicas(invocation, project, name, in_swarm=in_swarm))
        return found, found
    return {}, {}


async def _count_replicas(invocation: Invocation, project: Project, name: str, *, in_swarm: bool) -> dict[str, int]:
    """How many replicas each service has that can only have been balanced. Raises ComposectlError."""
    if in_swarm:
        return {service: scale for service, scale in (await count_stack_replicas(invocation, name)).items() if scale}
    scales = (await count_replicas(invocation)).get(name, {})
    return {
        service: scale
        for service, scale in scales.items()
        if service in project.services and any(port.capacity < scale for port in project.tcp_ports(service))
    }
