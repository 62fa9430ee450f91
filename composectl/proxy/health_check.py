"""Active health checks: backends are checked at intervals, and the pool gets the results."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.balance.pool import Pool
from composectl.proxy.backend_tls import HTTP_2, BackendTls
from composectl.proxy.http2.grpc_health import why_not_serving
from composectl.proxy.sockets import is_exhaustion, reason_of

WHOLE_SERVER = "true"  # in place of the name of a service
_GRPC = "grpc.health.v1"
_HANGS_UP_WITHIN = 0.2
# While a service that was ready is not, its requests wait for the checks.
_URGENT_FOR = 10.0
_URGENT = 4  # times as often
_MAX_LINE = 8 * 1024
_FIELDS = ("User-Agent: composectl", "Accept: */*", "Connection: close")
# What frameworks answer where they do not know the host
_UNKNOWN_HOST = (400, 403, 421)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: .*)?\r?\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A check every `interval` seconds, with a result within `timeout` seconds.

    Without a `path`, the ports of backends that are not ready are checked; with one, all backends are asked for it.
    `grpc`: all backends are asked by gRPC whether this service serves, "" for the whole server, None for no such check.
    `name`: the `Host` of that request. `tls`: what backends speak under all of that.
    `relayed`: a relay accepts for the backends, so that no refusal shows when one is down: all ports are checked.
    """

    path: str = ""
    interval: float = 0.2
    timeout: float = 1.0
    relayed: bool = False
    name: bytes = b"localhost"
    grpc: str | None = None
    tls: BackendTls | None = None

    @property
    def asks(self) -> bool:
        """Whether it asks the application, and not for the port alone."""
        return bool(self.path) or self.grpc is not None

    @property
    def includes_ready(self) -> bool:
        """Whether ready backends are checked, too."""
        return self.asks or self.relayed

    def subject(self, port: int | None) -> str:
        """What is checked, in words; `port` is None where each backend has its own."""
        at = f"port {port}" if port else "its port"
        if self.grpc is not None:
            return f"{_GRPC} at {at}"
        return f"GET {self.path} at {at}" if self.path else at

    async def run(self, host: str, port: int) -> str:
        """Why the backend at this address is healthy. Raises OSError and Unhealthy."""
        if self.grpc is not None:
            return await grpc_check(host, port, self.grpc, self.name, self.tls)
        if self.path:
            return await http_check(host, port, self.path, self.name, self.tls)
        if self.tls is not None:
            return await tls_check(host, port, self.tls)
        return await (relayed_tcp_check if self.relayed else tcp_check)(host, port)


def make_health_check(
    path: str, name: bytes = b"localhost", *, grpc: str = "", relayed: bool = False, tls: BackendTls | None = None
) -> HealthCheck:
    """The check for `--health-check-path PATH` or `--health-check-grpc SERVICE`, "" where absent.

    `grpc` is `true` for the whole server; `name` is from `--health-check-host NAME`.
    """
    if grpc:
        return HealthCheck(interval=1.0, timeout=2.0, name=name, grpc="" if grpc == WHOLE_SERVER else grpc, tls=tls)
    if path:
        return HealthCheck(path, interval=1.0, timeout=2.0, name=name, tls=tls)
    return HealthCheck(interval=0.5, relayed=True, tls=tls) if relayed else HealthCheck(tls=tls)


class HealthMonitor:
    """Checks the backends of a pool at intervals; a backend that does not answer delays no other check."""

    def __init__(self, pool: Pool, port: int | None, check: HealthCheck) -> None:
        self._pool = pool
        self._port = port
        self._check = check
        self._under_way: set[Backend] = set()
        self._urgent = asyncio.Event()
        self._urgent_until = 0.0  # by the monotonic clock

    async def run(self) -> None:
        """Check for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._urgent.clear()
                for backend in self._pool.due_for_check(ready=self._check.includes_ready):
                    if backend not in self._under_way:
                        self._under_way.add(backend)
                        group.create_task(self._run_check(backend))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._urgent.wait()

    def hurry(self) -> None:
        """The last ready backend is ready no more: check at once, and more often for a while."""
        self._urgent_until = time.monotonic() + _URGENT_FOR
        self._urgent.set()

    # Private

    @property
    def _interval(self) -> float:
        is_urgent = not self._pool.ready and time.monotonic() < self._urgent_until
        return self._check.interval / _URGENT if is_urgent else self._check.interval

    async def _run_check(self, backend: Backend) -> None:
        pool = self._pool
        try:
            async with asyncio.timeout(self._check.timeout):
                why = await self._check.run(*backend.replica.address(self._port))
        except Unhealthy as unhealthy:
            pool.checked(backend, str(unhealthy), accepts=True)
        except TimeoutError as error:
            pool.checked(backend, reason_of(error), accepts=self._check.asks)
        except OSError as error:
            if not is_exhaustion(error):
                pool.checked(backend, reason_of(error))
        else:
            pool.checked(backend, None, why)
        finally:
            self._under_way.discard(backend)


class Unhealthy(Exception):
    """The backend accepts, but its answer is not that of a healthy one."""


async def tcp_check(host: str, port: int) -> str:
    """Why it is healthy. Raises OSError."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return "its port accepts"


async def tls_check(host: str, port: int, tls: BackendTls) -> str:
    """Why it is healthy. Raises OSError, ssl.SSLError among them."""
    _, writer = await asyncio.open_connection(host, port, **tls.options(host))
    writer.transport.abort()
    return "its port speaks TLS"


async def relayed_tcp_check(host: str, port: int) -> str:
    """Why it is healthy. Raises OSError, as a relay that accepts and hangs up where its target is down."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(_HANGS_UP_WITHIN):
            first = await reader.read(1)
    except TimeoutError:
        first = b"nothing yet"
    finally:
        writer.transport.abort()
    if not first:
        raise ConnectionAbortedError("its port accepts, and hangs up")
    return "its port accepts"


async def http_check(host: str, port: int, path: str, name: bytes, tls: BackendTls | None = None) -> str:
    """Why it is healthy: it answers a GET with 2xx or 3xx. Raises OSError and Unhealthy."""
    options = {} if tls is None else tls.options(host)
    reader, writer = await asyncio.open_connection(host, port, limit=_MAX_LINE, **options)
    try:
        lines = (f"GET {path} HTTP/1.1", f"Host: {name.decode()}", *_FIELDS, "", "")
        writer.write("\r\n".join(lines).encode())
        status = await _status(reader)
        while status < 200:
            while (await _line(reader)).strip():
                pass
            status = await _status(reader)
    finally:
        writer.transport.abort()
    if status >= 400:
        asked = f" to `Host: {name.decode()}` (see `--health-check-host`)" if status in _UNKNOWN_HOST else ""
        raise Unhealthy(f"{path} answered {status}{asked}")
    return f"{path} answered {status}"


async def grpc_check(host: str, port: int, service: str, name: bytes, tls: BackendTls | None = None) -> str:
    """Why it is healthy: it answers that the service is SERVING. Raises OSError and Unhealthy."""
    why = await why_not_serving(host, port, service, name, {} if tls is None else tls.options(host, HTTP_2))
    if why:
        raise Unhealthy(why)
    return f"{_GRPC} answered SERVING"


# Private


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
