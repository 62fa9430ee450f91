"""`composectl proxy`: a daemon over static backends, or over a service that something else scales."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from composectl import errors
from composectl.changes import ChangeFeed
from composectl.compose.options import Invocation
from composectl.config.daemon import ProxyConfig, StaticBackends, open_log
from composectl.config.protocols import choose, notes
from composectl.config.tls import split_redirect
from composectl.control.lock import ProjectLock
from composectl.control.pacing import run
from composectl.control.paths import runtime_dir, runtime_fault, state_dir
from composectl.daemon.admin import bind_admin_listeners
from composectl.daemon.background import ReadyNotifier, run_in_background
from composectl.daemon.daemon import Daemon
from composectl.daemon.lifecycle import Prepared, run_daemon
from composectl.daemon.service import BalancedService, bind_free_ports
from composectl.daemon.sessions import make_session_fields
from composectl.daemon.tls import make_tls
from composectl.daemon.workers import make_workers
from composectl.daemon.zygote import Zygote, started_zygote
from composectl.orchestrator.base import Orchestrator
from composectl.orchestrator.self_discovery import ServiceOrchestrator, discover_self
from composectl.orchestrator.static import StaticOrchestrator
from composectl.orchestrator.swarm_service import TaskBackends, TaskOrchestrator, follow_service
from composectl.proxy.listener import make_connection_limit
from composectl.screen.console import info, warning

_SERVICE = "proxy"
_LAST_WORDS_SECONDS = 1.0  # of the grace period of the own container, for the end of the process


def proxy(invocation: Invocation, config: ProxyConfig) -> int:
    """Run until Ctrl-C, or with `-d` until there is a background process that serves. Returns the exit code."""

    def work(notify_ready: ReadyNotifier | None) -> int:
        with started_zygote(config.workers) as zygote:
            return run(run_daemon(partial(_prepare_proxy, invocation, config, zygote), notify_ready))

    return run_in_background(work, state_dir()) if config.detach else work(None)


# Private


async def _prepare_proxy(invocation: Invocation, config: ProxyConfig, zygote: Zygote | None) -> Prepared:
    folder, backends = runtime_dir(invocation.environ), config.backends
    if fault := runtime_fault(invocation.environ):
        warning(fault)
    if isinstance(backends, StaticBackends):
        replicas = backends.replicas
        return _prepare(
            config,
            zygote,
            _SERVICE,
            folder,
            lambda name: StaticOrchestrator(_SERVICE, replicas, errors.fixed_backends(name)),
        )
    with ExitStack() as undo:
        orchestrator: ServiceOrchestrator | TaskOrchestrator
        if isinstance(backends, TaskBackends):
            orchestrator = await follow_service(invocation, backends)
            undo.callback(orchestrator.close)
            info(orchestrator.addressing.sentence)
            config = replace(config, backends=replace(backends, port=orchestrator.addressing.port))
        else:
            orchestrator = await discover_self(invocation, backends, warning)
            undo.callback(orchestrator.close)
        seconds = min(config.balancing.drain_timeout, orchestrator.stop_grace_period - _LAST_WORDS_SECONDS)
        balancing = replace(config.balancing, drain_timeout=int(max(0, seconds)))
        config = replace(config, balancing=balancing, name=config.name or orchestrator.project)
        prepared = _prepare(config, zygote, backends.service, folder, lambda _: orchestrator)
        undo.pop_all()
    return prepared


def _prepare(
    config: ProxyConfig,
    zygote: Zygote | None,
    service_name: str,
    folder: Path,
    make_orchestrator: Callable[[str], Orchestrator],
) -> Prepared:
    """Bind all ports and claim the name, by default that of the first port. Raises ComposectlError."""
    changes, connection_limit = ChangeFeed(), make_connection_limit(config.max_connections)
    workers = make_workers(zygote, config, changes)
    ports, redirect = split_redirect(config.balancing.tls, config.ports)
    known = [replace(port, target=config.backend_port) for port in ports]
    chosen = choose({service_name: known}, {service_name: config.protocols})[service_name]
    protocols = dict(zip(ports, chosen.values(), strict=True))
    for sentence in notes(known, config.protocols):
        info(f"{service_name}: {sentence}")
    with ExitStack() as undo:
        log = workers.open_log(config.access_log) if workers else open_log(config.access_log)
        if log is not None:
            undo.callback(log.close)
        scope = config.name or " ".join(map(str, config.listen))
        service = BalancedService(
            service_name,
            list(protocols),
            config.balancing,
            connection_limit,
            changes,
            access_log=log,
            protocols=protocols,
            session_fields=make_session_fields(config.balancing, scope, service_name),
            tls=make_tls(config.balancing.tls, protocols),
            redirect=redirect,
            session_scope=scope,
            workers=workers,
        )
        undo.callback(service.close)
        bind_free_ports(service, folder)
        admin = bind_admin_listeners(config.admin, folder)
        undo.callback(admin.close)
        lock = ProjectLock(folder, config.name or f"proxy-{service.listeners[0].rpartition(':')[2]}")
        orchestrator, services = make_orchestrator(lock.project), {service_name: service}
        daemon = Daemon(lock, changes, services, orchestrator, admin, log, workers=workers)
        undo.pop_all()
    return Prepared(daemon)
