"""`composectl proxy --backend`: the same proxy over fixed backends, without Docker, Compose or a project."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from composectl import errors
from composectl.balance.backend import Replica
from composectl.changes import ChangeFeed
from composectl.compose.options import Invocation
from composectl.config.proxy import ProxyConfig, StaticBackends
from composectl.config.service import BalancingConfig, open_log
from composectl.control.lock import Claim
from composectl.control.paths import runtime_folder, state_folder
from composectl.daemon.daemon import Following, Running
from composectl.daemon.proxying import Proxy, bind_and_claim, run_proxy
from composectl.daemon.service import BalancedService
from composectl.engine.endpoint import resolve_endpoint
from composectl.orchestrator.self_discovery import Discovery, ServiceBackends, discover_self
from composectl.proxy.access_log import AccessLog
from composectl.proxy.listener import make_connection_limit
from composectl.screen.console import info

_SERVICE = "proxy"
_LAST_WORDS_SECONDS = 1.0  # to end by ourselves within the grace period of our own container


def proxy(invocation: Invocation, config: ProxyConfig) -> int:
    """Run until Ctrl-C, or with `-d` until there is a background process that serves. Returns the exit code."""
    background = state_folder() if config.detach else None
    if isinstance(config.backends, StaticBackends):
        opened = partial(_opened_static, config, config.backends, runtime_folder(invocation.environ))
        return run_proxy(opened, background)
    return run_proxy(partial(_opened_following, invocation, config, config.backends), background)


# Private


async def _opened_static(config: ProxyConfig, backends: StaticBackends, folder: Path) -> Proxy:
    """Raises ComposectlError."""
    journal, connection_limit, count = (
        ChangeFeed(),
        make_connection_limit(config.balancing.max_connections),
        len(backends.addresses),
    )
    log = open_log(config.access_log)
    balanced = BalancedService(_SERVICE, count, config.ports, config.balancing, connection_limit, journal, log=log)
    claim, views = bind_and_claim(balanced, config.admin, config.name, folder)
    balanced.pool.sync(backends.replicas)
    running = Running(claim, "", journal, {_SERVICE: balanced}, log)
    running.views = views
    return Proxy(running, _counted(count), errors.fixed_backends(claim.project))


def _counted(backends: int) -> str:
    return "1 backend" if backends == 1 else f"{backends} backends"


class _Follower(Following):
    """Wants as many replicas as there are."""

    def __init__(
        self,
        backends: ServiceBackends,
        found: Discovery,
        claim: Claim,
        journal: ChangeFeed,
        balanced: BalancedService,
        log: AccessLog | None,
    ) -> None:
        super().__init__(found.engine, found.project, claim, "", journal, {backends.service: balanced}, log)
        self._backends = backends

    def replicas_listed(self, service: str, replicas: list[Replica]) -> None:
        self._tell_of_those_without_a_port(replicas)
        self.balanced[service].desired = len(replicas)
        super().replicas_listed(service, replicas)

    # Private

    def _tell_of_those_without_a_port(self, replicas: list[Replica]) -> None:
        known = {backend.replica.key for backend in self.balanced[self._backends.service].pool.backends}
        for replica in replicas:
            if replica.key not in known and not self._backends.has_port(replica):
                error = errors.nothing_exposed(f"container `{replica.name}`")
                info(f"{error.message}: {error.hint}")


async def _opened_following(invocation: Invocation, config: ProxyConfig, backends: ServiceBackends) -> Proxy:
    """Raises ComposectlError."""
    found = await discover_self(resolve_endpoint(invocation.host, invocation.context, invocation.environ), backends)
    with ExitStack() as undo:
        undo.callback(found.engine.close)
        journal, connection_limit = ChangeFeed(), make_connection_limit(config.balancing.max_connections)
        log = open_log(config.access_log)
        balancing = _in_time(config.balancing, found.grace)
        balanced = BalancedService(backends.service, 0, config.ports, balancing, connection_limit, journal, log=log)
        folder = runtime_folder(invocation.environ)
        claim, views = bind_and_claim(balanced, config.admin, config.name or found.project, folder)
        undo.pop_all()
    follower = _Follower(backends, found, claim, journal, balanced, log)
    follower.views = views
    follower.replicas_listed(backends.service, found.replicas)
    refusal = errors.followed(found.project, backends.service)
    return Proxy(follower, f"the replicas of {backends.service}", refusal, (follower.follow,))


def _in_time(balancing: BalancingConfig, grace: float) -> BalancingConfig:
    """With no more time to drain than our own container is given to stop."""
    return replace(balancing, drain_timeout=int(max(0, min(balancing.drain_timeout, grace - _LAST_WORDS_SECONDS))))
