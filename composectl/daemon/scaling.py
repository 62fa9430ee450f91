"""Carries out a scale plan: retire the replicas that go, add new ones, and wait until they are ready."""

from __future__ import annotations

import asyncio

from composectl.balance.plan import plan_scale
from composectl.balance.replica_range import ReplicaRange, most_of, start_of
from composectl.control.commands import Progress, ScaleRequest
from composectl.daemon.daemon import Daemon
from composectl.daemon.readiness import until_complete, until_gone, warn_if_unserved
from composectl.daemon.retiring import retire
from composectl.daemon.service import BalancedService
from composectl.daemon.sleep import wake_up

_ASKED = "asked for"


async def scale(daemon: Daemon, request: ScaleRequest, progress: Progress) -> None:
    """Reach the desired number of ready replicas of each service. Raises ComposectlError.

    A range has its load decide from now on, and begins with the nearest number.
    """
    daemon.orchestrator.check_managed()
    services = [(daemon.service(name), scale) for name, scale in request.desired.items()]
    for service, scale in services:
        daemon.orchestrator.check_capacity(service.name, most_of(scale))
        if isinstance(scale, ReplicaRange):
            service.check_range(scale)
    async with daemon.scaling:
        daemon.check_no_canary()
        for service, scale in services:
            await wake_up(daemon, service, _ASKED)
            service.range = scale if isinstance(scale, ReplicaRange) else None
            desired = start_of(scale, daemon.orchestrator.desired[service.name])
            await _scale(daemon, service, desired, request, progress)


async def remove_unusable(daemon: Daemon, service: BalancedService) -> None:
    """Remove the containers that never ran, and those that another tool has made: Compose would start them again."""
    unusable = [exited.id for exited in await daemon.orchestrator.exited(service.name) if not exited.has_run]
    foreign = await daemon.orchestrator.foreign(service.name)
    unusable += [container_id for container_id, container in foreign.items() if not container.runs]
    for container_id in dict.fromkeys(unusable):
        await daemon.orchestrator.remove(container_id)


# Private


async def _scale(
    daemon: Daemon, service: BalancedService, desired: int, request: ScaleRequest, progress: Progress
) -> None:
    orchestrator = daemon.orchestrator
    service.rescaled(orchestrator.desired[service.name], desired, _ASKED)
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
    by_load = f", {service.range} by load" if service.range else ""
    progress(f"{service.name}: {service.pool.ready} of {desired} ready{by_load}")
    warn_if_unserved(service, progress)
