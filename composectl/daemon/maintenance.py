"""Draining one backend by hand, and taking it back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from composectl import errors
from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.control.commands import Place, Progress
from composectl.daemon.daemon import Running
from composectl.daemon.service import BalancedService

_READY_TIMEOUT = 10.0
_LEAVES = (Phase.DRAINING, Phase.DRAINED, Phase.GONE)


async def drain(running: Running, place: Place, progress: Progress) -> None:
    """No new request for this backend, and wait until it has none. Raises ComposectlError."""
    balanced, backend = _found(running, place)
    balanced.pool.disable(backend.replica.id, "drained by hand")
    progress(f"{backend.replica.name} {backend.phase}, {backend.in_flight} in flight")
    await running.journal.wait_until(lambda: not backend.in_flight)
    progress(f"{backend.replica.name} drained, nothing in flight")


async def undrain(running: Running, place: Place, progress: Progress) -> None:
    """Take it back among those that get requests, once it is well. Raises ComposectlError."""
    balanced, backend = _found(running, place)
    if backend.phase is not Phase.MAINTENANCE:
        raise errors.not_drained(backend.replica.name, backend.phase)
    balanced.pool.enable(backend.replica.id, "undrained by hand")
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_TIMEOUT):
            await running.journal.wait_until(lambda: backend.phase is not Phase.STARTING)
    progress(f"{backend.replica.name} {backend.phase}")


# Private


def _found(running: Running, place: Place) -> tuple[BalancedService, Backend]:
    balanced = running.service(place.service)
    there = [one for one in balanced.pool.backends if one.phase not in _LEAVES]
    for backend in there:
        if backend.replica.number == place.number:
            return balanced, backend
    raise errors.no_such_replica(place.service, place.number, [one.replica.number for one in there])
