"""Probes: does a backend's port accept?"""

from __future__ import annotations

import asyncio

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase
from composectl.balance.pool import Pool
from composectl.balance.replica import Report

_PROBED = (Phase.STARTING, Phase.FAILING)


async def watch_health(pool: Pool, port: int, *, interval: float = 0.2, timeout: float = 1.0) -> None:
    """Probe, for ever, the backends that are not ready and that Docker does not hold for unwell."""
    while True:
        waiting = [one for one in pool.backends if one.phase in _PROBED and one.replica.report is not Report.DOWN]
        await asyncio.gather(*(_probe(pool, backend, port, timeout) for backend in waiting))
        await asyncio.sleep(interval)


# Private


async def _probe(pool: Pool, backend: Backend, port: int, timeout: float) -> None:
    pool.probed(backend, await _connect_error(*backend.replica.address(port), timeout))


async def _connect_error(host: str, port: int, timeout: float) -> str | None:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return error.strerror or "no connection in time"
    writer.close()
    return None
