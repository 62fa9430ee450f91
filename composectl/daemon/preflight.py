"""Everything that can be refused, refused before a container is touched."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from composectl import errors
from composectl.changes import ChangeFeed
from composectl.compose.client import LoadedProject
from composectl.compose.options import Invocation
from composectl.compose.override import PortOverrides
from composectl.compose.ports import Port, any_free_port
from composectl.compose.project import Project
from composectl.config.service import open_log
from composectl.config.up import ServiceConfig, UpConfig
from composectl.config.values import parse_listen
from composectl.control.client import find
from composectl.control.listener_fds import Predecessor
from composectl.control.lock import Claim
from composectl.control.paths import runtime_folder
from composectl.daemon.admin import Listening, bind_admin_listeners
from composectl.daemon.project import RunningProject
from composectl.daemon.service import BalancedService, check_no_canary
from composectl.engine.client import Engine
from composectl.engine.containers import Addressing
from composectl.orchestrator.addressing import AUTO, CONTAINER, PUBLISHED, ChosenAddressing, choose_addressing
from composectl.orchestrator.compose import find_endpoint, with_known_api
from composectl.proxy.access_log import AccessLog
from composectl.proxy.listener import PortTaken, make_connection_limit
from composectl.proxy.port_owner import occupant
from composectl.screen.console import info


async def preflight(invocation: Invocation, config: UpConfig, loaded: LoadedProject) -> RunningProject:
    """A composectl that holds the project and its ports, and has touched nothing yet. Raises ComposectlError."""
    connection_limit = make_connection_limit(config.connections)
    client, project = await with_known_api(loaded.client), loaded.project
    endpoint = find_endpoint(invocation)
    engine = await Engine.connect(endpoint)
    sys.stderr.write(loaded.warnings)
    ports = _ports(project, config)
    found = await choose_addressing(config.backend_address, engine)
    compose_project = client.balanced_project(project, config.scales)
    folder = runtime_folder(invocation.environ)
    claimed = _claim(folder, compose_project.name, endpoint.url, config)
    log = _opened_log(config, claimed)
    engine.addressing = claimed.addressing or _told(found)
    _warn_left_out(project, config.services)
    overrides = PortOverrides(config.dropping_udp, _published(ports, engine.addressing))
    compose_project = replace(compose_project, rendered=overrides.apply(compose_project.rendered))
    journal = ChangeFeed()
    relayed = engine.addressing.behind_docker_proxy
    balanced = {
        service: BalancedService(
            service, one.scale, ports[service], one.balancing, connection_limit, journal, log=log, relayed=relayed
        )
        for service, one in config.services.items()
    }
    prepared = RunningProject(
        compose_project, engine, claimed.claim, journal, balanced, claimed.predecessor, overrides, log
    )
    try:
        for one in balanced.values():
            one.inherit(claimed.inherited)
        prepared.views = bind_admin_listeners(config.admin, folder, claimed.inherited)
        _close_rest(claimed.inherited, prepared)
        for one in balanced.values():
            await _bind(prepared, one, folder)
    except BaseException:
        prepared.close()
        raise
    return prepared


def ports_of(project: Project, service: str, config: ServiceConfig) -> list[Port]:
    """The ports to listen on for a service; the first one's target is checked. Raises why it cannot be balanced."""
    project.check_balanced(service, config.scale, listens=bool(config.listen), drop_udp=config.drop_udp)
    published = list(project.tcp_ports(service))
    if not config.listen:
        return _checked_first(service, published, config.port)
    target = config.port or (published[0].target if published else None)
    ports = [parse_listen(text, target) for text in config.listen]
    if not all(port.target for port in ports):
        raise errors.no_target(service)
    return ports


def check_apart(ports: Mapping[str, Sequence[Port]]) -> None:
    """Raise `same_port` where two of these would be listened on at one place."""
    every = [(service, port) for service, its in ports.items() for port in its]
    for (service, port), (other, another) in combinations(every, 2):
        if port.conflicts_with(another):
            raise errors.same_port(port.place, (service, other))


# Private


@dataclass(frozen=True, slots=True)
class _Claimed:
    """The project; with `handover` that of the composectl that has it, its listening sockets and its reach."""

    claim: Claim
    inherited: Listening = field(default_factory=dict)
    predecessor: Predecessor | None = None
    addressing: Addressing | None = None


def _claim(folder: Path, project: str, engine: str, config: UpConfig) -> _Claimed:
    try:
        return _Claimed(Claim(folder, project, engine))
    except errors.RunsAlready:
        if not config.handover:
            raise
        client = find(folder, project, folder)
        check_no_canary(client.status())
        addressing = Addressing(client.about.published_host)
        _check_stays(config.backend_address, addressing)
        predecessor = client.predecessor()
        estate = predecessor.estate()
        return _Claimed(
            Claim(folder, project, engine, inherited=estate.lock), estate.listening, predecessor, addressing
        )


def _opened_log(config: UpConfig, claimed: _Claimed) -> AccessLog | None:
    try:
        return open_log(config.access_log)
    except errors.ComposectlError:
        claimed.claim.release()
        raise


def _check_stays(asked: str, addressing: Addressing) -> None:
    """A reach is how replicas are made, and those that are there stay."""
    name = PUBLISHED if addressing.behind_docker_proxy else CONTAINER
    if asked not in (AUTO, name):
        raise errors.backend_address_stays(asked, name)


def _told(found: ChosenAddressing) -> Addressing:
    """The same, said in a line where it is not the usual one."""
    if found.addressing.behind_docker_proxy:
        info(found.sentence)
    return found.addressing


def _published(ports: Mapping[str, Sequence[Port]], addressing: Addressing) -> dict[str, tuple[str, ...]]:
    """The items of `ports:` by which the replicas of each service are reached."""
    if not addressing.behind_docker_proxy:
        return {}
    return {
        service: tuple(
            any_free_port(addressing.published_host, target)
            for target in sorted({port.target for port in its if port.target})
        )
        for service, its in ports.items()
    }


def _close_rest(inherited: Listening, prepared: RunningProject) -> None:
    """Nobody would be accepted there any more."""
    taken = prepared.estate().listening.keys()
    for name in inherited.keys() - taken:
        for one in inherited[name]:
            one.close()


def _ports(project: Project, config: UpConfig) -> Mapping[str, list[Port]]:
    for service in config.arguments.services:
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
    ports = {service: ports_of(project, service, one) for service, one in config.services.items()}
    check_apart(ports)
    return ports


def _warn_left_out(project: Project, services: Iterable[str]) -> None:
    for service in services:
        if name := project.container_name(service):
            shared = "several replicas cannot share one name"
            info(f"{service}: `container_name: {name}` is left out, because {shared}")


def _checked_first(service: str, published: list[Port], target: int | None) -> list[Port]:
    targets = [port.target for port in published if port.target is not None]
    if target is not None and target not in targets:
        raise errors.other_target(service, target, targets)
    return sorted(published, key=lambda port: target is not None and port.target != target)


async def _bind(prepared: RunningProject, balanced: BalancedService, folder: Path) -> None:
    """Take the ports, except those that our own replicas still hold: `up` makes them anew, without the port."""
    for port in balanced.unbound:
        try:
            balanced.bind(port)
        except PortTaken as taken:
            holder = await prepared.engine.port_owner(taken.port)
            if holder is not None and (holder.project, holder.service) == (
                prepared.compose_project.name,
                balanced.service,
            ):
                continue
            named = f"container `{holder.name}`" if holder else await asyncio.to_thread(occupant, taken.port, folder)
            raise errors.port_taken(taken.address, named) from taken
