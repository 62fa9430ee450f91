"""Who is well: backends are probed as often as it makes sense, and the pool is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from composectl.balance.backend import Backend
from composectl.balance.pool import Pool
from composectl.proxy.dial_error import is_exhaustion, reason_of
from composectl.proxy.probe import Unwell, ask, try_port, try_relayed_port


@dataclass(frozen=True, slots=True)
class Probes:
    """Every `interval` seconds, with an answer within `timeout` seconds.

    Without a `path`, the ports of those that are not ready are tried. With one, all are asked for it.
    `relayed`: a relay accepts for them, so that no refusal tells when one is down: the ports of all are tried.
    """

    path: str = ""
    interval: float = 0.2
    timeout: float = 1.0
    relayed: bool = False

    @property
    def of_ready(self) -> bool:
        """Whether backends are probed while they are ready, too."""
        return bool(self.path) or self.relayed

    async def make(self, host: str, port: int) -> str:
        """Why the backend at this address is well. Raises OSError and Unwell."""
        if self.path:
            return await ask(host, port, self.path)
        return await (try_relayed_port if self.relayed else try_port)(host, port)


def probes_of(path: str, *, relayed: bool = False) -> Probes:
    """Those for `--health PATH`, or, where it is "", for its absence."""
    if path:
        return Probes(path, interval=1.0, timeout=2.0)
    return Probes(interval=0.5, relayed=True) if relayed else Probes()


async def watch_health(pool: Pool, port: int, probes: Probes) -> None:
    """Probe the backends, for ever; nobody is kept waiting by another that does not answer."""
    under_way: set[Backend] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            for backend in pool.to_probe(ready=probes.of_ready):
                if backend not in under_way:
                    under_way.add(backend)
                    task = group.create_task(_probe(pool, backend, port, probes))
                    task.add_done_callback(partial(_over, under_way, backend))
            await asyncio.sleep(probes.interval)


# Private


async def _probe(pool: Pool, backend: Backend, port: int, probes: Probes) -> None:
    address = backend.replica.address(port)
    try:
        async with asyncio.timeout(probes.timeout):
            why = await probes.make(*address)
    except Unwell as unwell:
        pool.probed(backend, str(unwell))
    except OSError as error:
        if not is_exhaustion(error):
            pool.probed(backend, reason_of(error))
    else:
        pool.probed(backend, None, why)


def _over(under_way: set[Backend], backend: Backend, _: asyncio.Task[None]) -> None:
    under_way.discard(backend)
