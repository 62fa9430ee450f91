"""Carries out a scale plan: drain and remove the replicas that go, add new ones, and wait until they are ready."""

from __future__ import annotations

import asyncio

from composectl import errors
from composectl.balance.backend import Backend, name_load
from composectl.balance.phase import Phase
from composectl.balance.plan import plan_scale
from composectl.control.commands import Progress, ScaleRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.readiness import until_complete, until_gone, warn_if_unserved
from composectl.daemon.service import BalancedService

_CUT_TIMEOUT = 0.5
_DRAINED = (Phase.DRAINED, Phase.GONE)


async def scale(daemon: Daemon, request: ScaleRequest, progress: Progress) -> None:
    """Reach the desired number of ready replicas of each service. Raises ComposectlError."""
    daemon.orchestrator.check_managed()
    services = [(daemon.service(name), count) for name, count in request.desired.items()]
    for service, count in services:
        daemon.orchestrator.check_capacity(service.name, count)
    async with daemon.scaling:
        daemon.check_no_canary()
        for service, _ in services:
            await _scale(daemon, service, request, progress)


async def retire(daemon: Daemon, service: BalancedService, backend: Backend, reason: str, progress: Progress) -> None:
    """Drain a backend, then stop and remove its replica.

    After the drain timeout, what is in flight is cut, but for streams: a replica that is told to stop can end these.
    """
    replica = backend.replica
    progress(f"{replica.name} draining, {backend.in_flight} in flight")
    service.pool.drain(replica.id, reason)
    if not await daemon.changes.wait_until(lambda: backend.phase in _DRAINED, service.drain_timeout):
        before = name_load([backend])
        service.cut(backend, spare_streams=True)
        await daemon.changes.wait_until(lambda: backend.phase in _DRAINED, _CUT_TIMEOUT)
        left = name_load([backend])
        outcome = f"in flight, {left} left to end as it stops" if left else "cut"
        progress(f"{replica.name} drained for {service.drain_timeout:g} s, {before} {outcome}")
    try:
        await daemon.orchestrator.run_pre_stop(service.name, replica.id)
    except errors.ComposectlError as error:
        progress(f"warning: {replica.name}: {error.message}")
    await daemon.orchestrator.remove(replica.id, replica.stop_grace_period)
    service.cut(backend)
    progress(f"{replica.name} removed")


async def remove_unusable(daemon: Daemon, service: BalancedService) -> None:
    """Remove the containers that never ran, and those that another tool has made: Compose would start them again."""
    unusable = [exited.id for exited in await daemon.orchestrator.exited(service.name) if not exited.has_run]
    foreign = await daemon.orchestrator.foreign(service.name)
    unusable += [container_id for container_id, container in foreign.items() if not container.runs]
    for container_id in dict.fromkeys(unusable):
        await daemon.orchestrator.remove(container_id)


# Private


async def _scale(daemon: Daemon, service: BalancedService, request: ScaleRequest, progress: Progress) -> None:
    orchestrator, desired = daemon.orchestrator, request.desired[service.name]
    if orchestrator.desired[service.name] < 2 <= desired and (shared := orchestrator.shared_data(service.name)):
        progress(f"warning: {service.name}: {shared}")
    orchestrator.desired[service.name] = desired
    plan = plan_scale(service.pool.backends, desired, oldest_first=request.oldest_first)
    if orchestrator.can_choose_victim:
        await asyncio.gather(*(retire(daemon, service, backend, "scaled down", progress) for backend in plan.remove))
    elif plan.remove:
        progress(f"{service.name}: removing {len(plan.remove)}")
    if plan.add:
        progress(f"{service.name}: adding {plan.add}")
        await remove_unusable(daemon, service)
    if plan.add or not orchestrator.can_choose_victim:
        await orchestrator.scale_to(service.name, desired)
    await until_complete(daemon, service, request.ready_timeout_seconds)
    if not orchestrator.can_choose_victim:
        await until_gone(daemon, service)
    progress(f"{service.name}: {service.pool.ready} of {desired} ready")
    warn_if_unserved(service, progress)
