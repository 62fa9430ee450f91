"""Carries out a scale plan: drain and remove the replicas that go, add new ones, and wait until they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from composectl import errors
from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.plan import plan_scale
from composectl.control.commands import Progress, ScaleRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.service import BalancedService

_READY_TIMEOUT = 60.0
_POLL_INTERVAL = 0.5
_LOG_LINES = 10
_SETTLED = (Phase.READY, Phase.MAINTENANCE)
_Condition = Callable[[Daemon, BalancedService], bool]


async def scale(daemon: Daemon, request: ScaleRequest, progress: Progress) -> None:
    """Reach the desired number of ready replicas of each service. Raises ComposectlError."""
    daemon.orchestrator.check_managed()
    services = [(daemon.service(name), count) for name, count in request.desired.items()]
    for service, count in services:
        daemon.orchestrator.check_capacity(service.name, count)
    async with daemon.scaling:
        daemon.check_no_canary()
        for service, count in services:
            await _scale(daemon, service, count, request.oldest_first, progress)


async def retire(daemon: Daemon, service: BalancedService, backend: Backend, reason: str, progress: Progress) -> None:
    """Drain a backend for as long as its replica is given to stop, then stop and remove that."""
    replica = backend.replica
    progress(f"{replica.name} draining, {backend.in_flight} in flight")
    service.pool.drain(replica.id, reason)
    drain_timeout = min(replica.stop_grace_period, service.drain_timeout)
    await daemon.changes.wait_until(lambda: backend.phase in (Phase.DRAINED, Phase.GONE), drain_timeout)
    await daemon.orchestrator.remove(replica.id, replica.stop_grace_period)
    progress(f"{replica.name} removed")


async def remove_unusable(daemon: Daemon, service: BalancedService) -> None:
    """Remove the containers that never ran, and those that another tool has made: Compose would start them again."""
    unusable = [exited.id for exited in await daemon.orchestrator.exited(service.name) if not exited.has_run]
    foreign = await daemon.orchestrator.foreign(service.name)
    unusable += [container_id for container_id, container in foreign.items() if not container.runs]
    for container_id in dict.fromkeys(unusable):
        await daemon.orchestrator.remove(container_id)


def warn_if_unserved(service: BalancedService, progress: Progress) -> None:
    """Tell that requests can only wait in the queue, where that is so."""
    if not service.pool.ready:
        progress(f"warning: no replica of `{service.name}` serves requests now")


async def until_serving(daemon: Daemon, timeout: float | None) -> None:
    """Wait until every service has a ready backend, or desires none. Raises ComposectlError."""
    for service in daemon.services.values():
        await _wait_until(_is_serving, daemon, service, timeout)


async def wait_for_stragglers(daemon: Daemon, seconds: float) -> None:
    """Give all replicas up to `seconds` to be ready."""
    services = daemon.services.values()
    await daemon.changes.wait_until(lambda: all(_is_complete(daemon, service) for service in services), seconds)


# Private


async def _scale(
    daemon: Daemon, service: BalancedService, desired: int, oldest_first: bool, progress: Progress
) -> None:
    orchestrator = daemon.orchestrator
    orchestrator.desired[service.name] = desired
    plan = plan_scale(service.pool.backends, desired, oldest_first=oldest_first)
    if orchestrator.can_choose_victim:
        await asyncio.gather(*(retire(daemon, service, backend, "scaled down", progress) for backend in plan.remove))
    if plan.add:
        progress(f"{service.name}: adding {plan.add}")
        await remove_unusable(daemon, service)
    if plan.add or not orchestrator.can_choose_victim:
        await orchestrator.scale_to(service.name, desired)
    await _wait_until(_is_complete, daemon, service, _READY_TIMEOUT)
    progress(f"{service.name}: {service.pool.ready} of {desired} ready")
    warn_if_unserved(service, progress)


def _is_serving(daemon: Daemon, service: BalancedService) -> bool:
    return service.pool.ready > 0 or not daemon.orchestrator.desired[service.name]


def _is_complete(daemon: Daemon, service: BalancedService) -> bool:
    phases = [backend.phase for backend in service.pool.backends]
    return len(phases) == daemon.orchestrator.desired[service.name] and all(phase in _SETTLED for phase in phases)


async def _wait_until(condition: _Condition, daemon: Daemon, service: BalancedService, timeout: float | None) -> None:
    holds = partial(condition, daemon, service)
    try:
        async with asyncio.timeout(timeout):
            while not await daemon.changes.wait_until(holds, _POLL_INTERVAL):
                await _check_alive(daemon, service)
    except TimeoutError:
        ready = f"{service.pool.ready} of {daemon.orchestrator.desired[service.name]} replicas of `{service.name}`"
        raise errors.ReplicasFailed(
            f"{ready} are ready after {timeout or 0:.0f} s",
            "check `composectl logs`; a replica is ready when its port accepts connections, or its HEALTHCHECK passes",
        ) from None


async def _check_alive(daemon: Daemon, service: BalancedService) -> None:
    """Raise ComposectlError where no replica is left that could still become ready."""
    orchestrator = daemon.orchestrator
    exited = await orchestrator.exited(service.name)
    if exited and not await orchestrator.replicas(service.name) and not any(replica.restarting for replica in exited):
        first = min(exited, key=lambda exited: exited.name)
        log = await orchestrator.last_lines(first.id, _LOG_LINES)
        lines = "".join(f"\n  {line}" for line in log)
        if lines:
            raise errors.ReplicasFailed(
                f"container `{first.name}` exited with code {first.exit_code}; its last lines:{lines}"
            )
        raise errors.ReplicasFailed(
            f"container `{first.name}` exited with code {first.exit_code} without output",
            f"check its command and environment; `composectl run --rm {service.name}` runs one in this terminal",
        )
