"""Who is well: backends are probed as often as it makes sense, and the pool is told."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import partial

from composectl.balance.backend import Backend, join_address
from composectl.balance.pool import Pool
from composectl.proxy.sockets import is_exhaustion, reason_of

_HANGS_UP_WITHIN = 0.2
_MAX_LINE = 8 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: .*)?\r?\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HealthCheck:
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
        """Why the backend at this address is well. Raises OSError and Unhealthy."""
        if self.path:
            return await ask(host, port, self.path)
        return await (relayed_tcp_check if self.relayed else tcp_check)(host, port)


def make_health_check(path: str, *, relayed: bool = False) -> HealthCheck:
    """Those for `--health-check-path PATH`, or, where it is "", for its absence."""
    if path:
        return HealthCheck(path, interval=1.0, timeout=2.0)
    return HealthCheck(interval=0.5, relayed=True) if relayed else HealthCheck()


async def watch_health(pool: Pool, port: int | None, probes: HealthCheck) -> None:
    """Probe the backends, for ever; nobody is kept waiting by another that does not answer."""
    under_way: set[Backend] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            for backend in pool.due_for_check(ready=probes.of_ready):
                if backend not in under_way:
                    under_way.add(backend)
                    task = group.create_task(_probe(pool, backend, port, probes))
                    task.add_done_callback(partial(_over, under_way, backend))
            await asyncio.sleep(probes.interval)


class Unhealthy(Exception):
    """The backend can be reached, but its answer is not that of one that is well."""


async def tcp_check(host: str, port: int) -> str:
    """Why it is well. Raises OSError."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return "its port accepts"


async def relayed_tcp_check(host: str, port: int) -> str:
    """Why it is well. Raises OSError and Unhealthy: a relay accepts and hangs up where its target is down."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(_HANGS_UP_WITHIN):
            first = await reader.read(1)
    except TimeoutError:
        first = b"nothing yet"
    finally:
        writer.transport.abort()
    if not first:
        raise Unhealthy("its port accepts, and hangs up")
    return "its port accepts"


async def ask(host: str, port: int, path: str) -> str:
    """Why it is well: it answers a GET with 2xx or 3xx. Raises OSError and Unhealthy."""
    reader, writer = await asyncio.open_connection(host, port, limit=_MAX_LINE)
    try:
        writer.write(_request(join_address(host, port), path))
        status = await _final_status(reader)
    finally:
        writer.transport.abort()
    if status >= 400:
        raise Unhealthy(f"{path} answered {status}")
    return f"{path} answered {status}"


# Private


async def _probe(pool: Pool, backend: Backend, port: int | None, probes: HealthCheck) -> None:
    address = backend.replica.address(port)
    try:
        async with asyncio.timeout(probes.timeout):
            why = await probes.make(*address)
    except Unhealthy as unwell:
        pool.checked(backend, str(unwell))
    except OSError as error:
        if not is_exhaustion(error):
            pool.checked(backend, reason_of(error))
    else:
        pool.checked(backend, None, why)


def _over(under_way: set[Backend], backend: Backend, _: asyncio.Task[None]) -> None:
    under_way.discard(backend)


def _request(authority: str, path: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: {authority}", "User-Agent: composectl", "Accept: */*", "Connection: close")
    return "\r\n".join((*lines, "", "")).encode()


async def _final_status(reader: asyncio.StreamReader) -> int:
    while True:
        status = await _status(reader)
        if status >= 200:
            return status
        while (await _line(reader)).strip():
            pass


async def _status(reader: asyncio.StreamReader) -> int:
    match = _STATUS_LINE.fullmatch(await _line(reader))
    if match is None:
        raise Unhealthy("its answer is not HTTP")
    return int(match[1])


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise Unhealthy("its answer is not HTTP") from None
    except asyncio.IncompleteReadError:
        raise Unhealthy("it hung up without an answer") from None
