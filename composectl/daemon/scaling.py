"""Carrying out a plan: drain who leaves, stop and remove exactly those, let Compose add who comes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.plan import plan_scale
from composectl.compose.override import check_rendered_capacity
from composectl.control.commands import Progress, Scaling
from composectl.daemon.project import RunningProject
from composectl.daemon.readiness import until_complete
from composectl.daemon.service import BalancedService

_READY_TIMEOUT = 60.0
_OUT = (Phase.DRAINED, Phase.GONE)


async def scale(running: RunningProject, scaling: Scaling, progress: Progress) -> None:
    """Reach the wanted number of ready replicas of each service. Raises ComposectlError."""
    services = [(running.service(name), count) for name, count in scaling.wanted.items()]
    for name, count in scaling.wanted.items():
        check_rendered_capacity(running.compose_projects[name].rendered, name, count)
    async with running.scaling:
        running.check_no_canary()
        for balanced, count in services:
            await _scale(running, balanced, count, scaling.oldest_first, progress)


async def retire(
    running: RunningProject, balanced: BalancedService, backend: Backend, why: str, progress: Progress
) -> None:
    """Drain for as long as the replica is given to stop, then stop it and remove it, by its id."""
    replica = backend.replica
    progress(f"{replica.name} draining, {backend.in_flight} in flight")
    balanced.pool.drain(replica.id, why)
    with suppress(TimeoutError):
        async with asyncio.timeout(min(replica.stop_grace_period, balanced.drain_seconds)):
            await running.journal.wait_until(lambda: backend.phase in _OUT)
    await running.engine.stop(replica.id, replica.stop_grace_period)
    await running.engine.remove(replica.id)
    progress(f"{replica.name} removed")


# Private


async def _scale(
    running: RunningProject, balanced: BalancedService, wanted: int, oldest_first: bool, progress: Progress
) -> None:
    balanced.desired = wanted
    plan = plan_scale(balanced.pool.backends, wanted, oldest_first=oldest_first)
    await asyncio.gather(*(retire(running, balanced, backend, "scaled down", progress) for backend in plan.remove))
    if plan.add:
        progress(f"{balanced.service}: adding {plan.add}")
        await _clear_failed(running, balanced.service)
        await running.compose_projects[balanced.service].converge(balanced.service, wanted)
    await until_complete(running, balanced, _READY_TIMEOUT)
    progress(f"{balanced.service}: {balanced.pool.ready} of {wanted} ready")


async def _clear_failed(running: RunningProject, service: str) -> None:
    """What the engine could never start: Compose would try again, as it was."""
    for ended in await running.engine.exited(running.compose_project.name, service):
        if not ended.has_run:
            await running.engine.remove(ended.id)
