"""How a replica leaves: its backend is drained, and then it is stopped and removed."""

from __future__ import annotations

from composectl import errors
from composectl.balance.backend import Backend, name_load
from composectl.balance.phase import Phase
from composectl.control.commands import Progress
from composectl.daemon.daemon import Daemon
from composectl.daemon.service import BalancedService

_CUT_TIMEOUT = 0.5
_DRAINED = (Phase.DRAINED, Phase.GONE)


async def retire(daemon: Daemon, service: BalancedService, backend: Backend, reason: str, progress: Progress) -> None:
    """Drain a backend, then stop and remove its replica."""
    await drain_backend(daemon, service, backend, reason, progress)
    await remove_drained(daemon, service, backend, progress)


async def drain_backend(
    daemon: Daemon, service: BalancedService, backend: Backend, reason: str, progress: Progress
) -> None:
    """Wait until nothing is in flight there.

    After the drain timeout, what is in flight is cut, but for streams: a replica that is told to stop can end these.
    """
    replica = backend.replica
    await daemon.refresh()
    progress(f"{replica.name} draining, {backend.in_flight} in flight")
    service.pool.drain(replica.id, reason)
    if not await daemon.changes.wait_until(lambda: backend.phase in _DRAINED, service.drain_timeout):
        before = name_load([backend])
        service.cut(backend, spare_streams=True)
        await daemon.changes.wait_until(lambda: backend.phase in _DRAINED, _CUT_TIMEOUT)
        left = name_load([backend])
        outcome = f"in flight, {left} left to end as it stops" if left else "cut"
        progress(f"{replica.name} drained for {service.drain_timeout:g} s, {before} {outcome}")


async def remove_drained(daemon: Daemon, service: BalancedService, backend: Backend, progress: Progress) -> None:
    """Stop and remove its replica."""
    replica = backend.replica
    try:
        await daemon.orchestrator.run_pre_stop(service.name, replica.id)
    except errors.ComposectlError as error:
        progress(f"warning: {replica.name}: {error.message}")
    await daemon.orchestrator.remove(replica.id, replica.stop_grace_period)
    service.cut(backend)
    progress(f"{replica.name} removed")
