"""Takes one backend out of traffic by hand, and returns it."""

from __future__ import annotations

from composectl import errors
from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.control.commands import BackendRef, Progress
from composectl.daemon.daemon import Daemon
from composectl.daemon.readiness import warn_if_unserved
from composectl.daemon.service import BalancedService

_READY_TIMEOUT = 10.0
_LEAVING = (Phase.DRAINING, Phase.DRAINED, Phase.GONE)


async def drain(daemon: Daemon, place: BackendRef, progress: Progress) -> None:
    """Send no new request to a backend, and wait until it has none. Raises ComposectlError.

    Its sessions stay with it until the drain timeout.
    """
    service, backend = _find(daemon, place)
    service.pool.disable(backend.replica.id, "drained by hand")
    await daemon.refresh()
    sessions = service.pool.leases.sessions
    keeps = sessions is not None and sessions.keeps(backend)
    stay = f"; its sessions stay for {service.drain_timeout:g} s" if keeps else ""
    progress(f"{backend.replica.name} {backend.phase}, {backend.in_flight} in flight{stay}")
    warn_if_unserved(service, progress)
    await daemon.changes.wait_until(lambda: not (backend.in_flight or (sessions and sessions.keeps(backend))))
    progress(f"{backend.replica.name} drained, nothing in flight")


async def undrain(daemon: Daemon, place: BackendRef, progress: Progress) -> None:
    """Send requests to a drained backend again as soon as it is healthy. Raises ComposectlError."""
    service, backend = _find(daemon, place)
    if backend.phase is not Phase.MAINTENANCE:
        raise errors.ComposectlError(
            f"`{backend.replica.name}` is not drained (phase: {backend.phase})",
            "`composectl status` shows the drained replicas",
        )
    service.pool.enable(backend.replica.id, "undrained by hand")
    await daemon.changes.wait_until(lambda: backend.phase is not Phase.STARTING, _READY_TIMEOUT)
    progress(f"{backend.replica.name} {backend.phase}")


# Private


def _find(daemon: Daemon, place: BackendRef) -> tuple[BalancedService, Backend]:
    service = daemon.service(place.service)
    staying = [backend for backend in service.pool.backends if backend.phase not in _LEAVING]
    for backend in staying:
        if backend.replica.number == place.number:
            return service, backend
    numbers = ", ".join(str(backend.replica.number) for backend in staying)
    refusal = daemon.orchestrator.refusal
    to_start = refusal.hint if refusal else f"start one: `composectl scale {service.name}=1`"
    raise errors.ComposectlError(
        f"service `{place.service}` has no replica {place.number}", f"replicas: {numbers}" if numbers else to_start
    )
