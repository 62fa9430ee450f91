"""Everything that can be refused to `up`, refused before a container is touched."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import combinations

from composectl import errors
from composectl.balance.replica_range import most_of
from composectl.changes import ChangeFeed
from composectl.compose.client import ComposeClient, LoadedProject
from composectl.compose.options import Invocation
from composectl.compose.ports import Port
from composectl.compose.project import Project
from composectl.config.daemon import UpConfig, open_log
from composectl.config.protocols import Protocols, choose, notes
from composectl.config.service import ServiceConfig
from composectl.config.settings import texts_of
from composectl.config.tls import check_redirects, split_redirect
from composectl.control.paths import runtime_dir, runtime_fault
from composectl.daemon.admin import bind_admin_listeners
from composectl.daemon.daemon import Daemon
from composectl.daemon.hot_restart import claim_project
from composectl.daemon.lifecycle import Prepared
from composectl.daemon.routing import check_protocols, make_routing, tls_of
from composectl.daemon.service import BalancedService, bind_ports
from composectl.daemon.sessions import make_session_fields
from composectl.daemon.tls import ends_tls, make_tls
from composectl.daemon.workers import make_workers
from composectl.daemon.zygote import Zygote
from composectl.orchestrator.compose import ComposeConnection
from composectl.orchestrator.swarm import SwarmConnection
from composectl.proxy.listener import make_connection_limit
from composectl.screen.console import info, warning

_OF_ONE_CALL = ("detach", "handover", "ready-timeout", "replicas")
Connection = ComposeConnection | SwarmConnection
Connect = Callable[[ComposeClient], Awaitable[Connection]]


async def prepare_up(
    invocation: Invocation,
    config: UpConfig,
    loaded: LoadedProject,
    connect: Connect | None = None,
    zygote: Zygote | None = None,
) -> Prepared:
    """Connect to the engine, lock the project and bind its ports. Raises ComposectlError, and then holds nothing."""
    connection_limit = make_connection_limit(config.max_connections)
    folder, project = runtime_dir(invocation.environ), loaded.project
    if fault := runtime_fault(invocation.environ):
        warning(fault)
    with ExitStack() as undo:
        connection = await (connect or _connect(config))(loaded.client)
        undo.callback(connection.close)
        sys.stderr.write(loaded.warnings)
        ports, redirects = _ports(project, config)
        routing = make_routing(ports, config.services)
        protocols = _protocols(ports, config)
        check_protocols(routing, protocols)
        tls = {
            name: make_tls(
                tls_of(name, config.services, routing), {port: chosen[port] for port in routing[name].own(chosen)}
            )
            for name, chosen in protocols.items()
        }
        addressing = await connection.choose_addressing(config.backend_address)
        claimed = claim_project(folder, connection.client.name_of(project), connection.url, config)
        undo.callback(claimed.lock.release)
        changes = ChangeFeed()
        workers = make_workers(zygote, config, changes)
        log = workers.open_log(config.access_log) if workers else open_log(config.access_log)
        if log is not None:
            undo.callback(log.close)
        published_host = claimed.published_host
        if published_host is None:
            published_host = addressing.published_host
            if published_host:
                info(addressing.sentence)
        orchestrator = connection.orchestrator(
            project, config.scales, ports, published_host, config.dropping_udp, config.arguments
        )
        for sentence in orchestrator.notes:
            info(sentence)
        relayed = bool(published_host)
        services: dict[str, BalancedService] = {}
        for name, service_config in config.services.items():
            for sentence in _notes(project, name, most_of(service_config.asked)):
                info(sentence)
            for sentence in notes(ports[name], service_config.protocols):
                info(f"{name}: {sentence}")
            service = services[name] = BalancedService(
                name,
                ports[name],
                service_config.balancing,
                connection_limit,
                changes,
                access_log=log,
                relayed=relayed,
                protocols=protocols[name],
                session_fields=make_session_fields(service_config.balancing, claimed.lock.project, name),
                tls=tls[name],
                redirect=redirects[name],
                routing=routing[name],
                hosts={own: (services[host], port) for own, (host, port) in routing[name].hosts.items()},
                session_scope=claimed.lock.project,
                workers=workers,
            )
            service.range = service_config.range
            undo.callback(service.close)
        for service in services.values():  # once it is known which of them share a port
            service.inherit(claimed.inherited)
        admin = bind_admin_listeners(config.admin, folder, claimed.inherited)
        undo.callback(admin.close)
        options = effective_options(project, config)
        daemon = Daemon(claimed.lock, changes, services, orchestrator, admin, log, options, workers)
        for unused in claimed.inherited.keys() - daemon.listener_fds.listening.keys():
            for sock in claimed.inherited[unused]:
                sock.close()
        for service in services.values():
            await bind_ports(service, orchestrator, folder)
        undo.pop_all()
    return Prepared(daemon, claimed.old_process, config.ready_timeout, claimed.served, claimed.asleep)


def ports_of(project: Project, service: str, config: ServiceConfig, *, swarm: bool = False) -> list[Port]:
    """The ports to listen on for a service; the first one's target is checked. Raises why it cannot be balanced.

    `swarm`: it balances the UDP ports itself.
    """
    most = most_of(config.asked)
    project.check_balanced(service, most, listens=bool(config.listen), drop_udp=config.drop_udp or swarm)
    published = list(project.tcp_ports(service))
    if not config.listen:
        targets = [port.target for port in published if port.target is not None]
        if config.port is not None and config.port not in targets:
            others = ", ".join(map(str, targets))
            raise errors.ComposectlError(
                f"service `{service}` does not publish container port {config.port}: it publishes {others}",
                "`port` is the container's port; `listen` names the host's",
            )
        return sorted(published, key=lambda port: config.port not in (None, port.target))
    target = config.port or (published[0].target if published else None)
    known = {port.target: port.app_protocol for port in published}
    ports = [
        replace(port, target=to, app_protocol=known.get(to, ""))
        for port in config.listen
        for to in [port.target or target]
    ]
    if not all(port.target for port in ports):
        raise errors.ComposectlError(
            f"service `{service}` publishes no TCP port: the target port is unknown",
            "name the target after the listener: `--listen 8080:80`",
        )
    return ports


def effective_options(project: Project, config: UpConfig) -> dict[str, str]:
    """The values that last as long as the daemon, as texts by `OPTION`, or by `SERVICE.OPTION`.

    `SERVICE.listen` is where it listens, `SERVICE.ports` what the compose file publishes, `SERVICE.protocol` what each
    port is balanced as.
    """
    texts, (ports, _) = texts_of(config), _ports(project, config)
    protocols = _protocols(ports, config)
    for service, service_config in config.services.items():
        of_ports = [f"{port.target}={protocol}" for port, protocol in protocols[service].items()]
        own = {"listen": ports[service], "ports": project.tcp_ports(service), "protocol": of_ports}
        own_texts = texts_of(service_config) | {name: ", ".join(sorted(map(str, each))) for name, each in own.items()}
        texts |= {f"{service}.{name}": text for name, text in own_texts.items()}
    return {name: text for name, text in texts.items() if name.rpartition(".")[2] not in _OF_ONE_CALL}


def check_apart(ports: Mapping[str, Sequence[Port]]) -> None:
    """Raise ComposectlError where two of these would be listened on at one place."""
    every = [(service, port) for service, published in ports.items() for port in published]
    for (service, port), (other, another) in combinations(every, 2):
        if port.conflicts_with(another):
            whose = " and ".join(f"`{name}`" for name in dict.fromkeys((service, other)))
            raise errors.ComposectlError(f"{port.place} is published twice, by {whose}", "change one of the two ports")


# Private


def _connect(config: UpConfig) -> Connect:
    return partial(SwarmConnection.open, options=config.stack) if config.swarm else ComposeConnection.open


def _notes(project: Project, service: str, scale: int) -> Iterator[str]:
    """What several replicas change, or share, that one container has for itself."""
    if own := project.own_keys(service):
        them = "them" if len(own) > 1 else "it"
        yield f"{service}: {errors.left_out(own)}, because several replicas cannot share {them}"
    if scale > 1 and (shared := project.shared_data(service)):
        yield f"warning: {service}: {shared}"


def _protocols(ports: Mapping[str, Sequence[Port]], config: UpConfig) -> Mapping[str, Protocols]:
    return choose(ports, {service: service_config.protocols for service, service_config in config.services.items()})


def _ports(project: Project, config: UpConfig) -> tuple[Mapping[str, list[Port]], Mapping[str, Port | None]]:
    """Those that are served, and those at which plain HTTP is sent on, by service."""
    for service in config.arguments.services:
        if service not in project.services:
            raise errors.unknown_service(service, project.services)
    ports = {
        service: ports_of(project, service, service_config, swarm=config.swarm)
        for service, service_config in config.services.items()
    }
    served, redirects = dict(ports), dict[str, Port | None].fromkeys(ports)
    for service, protocols in _protocols(ports, config).items():
        tls = config.services[service].balancing.tls
        if any(ends_tls(tls, port, protocol) for port, protocol in protocols.items()):
            served[service], redirects[service] = split_redirect(tls, ports[service])
    routing = make_routing(served, config.services)
    for service in served:
        if routing[service].hosts:  # the redirect, too, is its host's
            redirects[service] = None
    check_redirects(redirects)
    check_apart({name: [*routing[name].own(ports), *filter(None, [redirects[name]])] for name, ports in served.items()})
    return served, redirects
