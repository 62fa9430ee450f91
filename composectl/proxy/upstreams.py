"""What stands behind a listener for one service: one of its kinds of request, and all of them."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.balance.pool import Pool
from composectl.proxy.backend_stream import BackendStreams
from composectl.proxy.field_edits import FieldEdits
from composectl.proxy.guards import Guards
from composectl.proxy.limits import NO_LIMITS, Limits
from composectl.proxy.queue import RequestQueue
from composectl.proxy.replay import PROCESS_LIMIT, ReplayLimit
from composectl.proxy.session_fields import SessionFields


@dataclass(frozen=True, slots=True)
class Upstream:
    """What stands behind a listener; `checked`: the health checks of the pool try the port of these connections.

    `session_fields`: None where requests of one client need not stay together. `guards`: None where all are admitted.
    `request_edits`, `response_edits`: None where heads go on as they are. `limits`: those of its service.
    """

    pool: Pool
    connections: BackendStreams
    queue: RequestQueue
    checked: bool = True
    replay: ReplayLimit = PROCESS_LIMIT
    session_fields: SessionFields | None = None
    guards: Guards | None = None
    request_edits: FieldEdits | None = None
    response_edits: FieldEdits | None = None
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True, eq=False)
class Upstreams:
    """`http1`: of requests of HTTP/1, `http2`: of streams, `grpc`: of calls.

    `limits`: None where none of them is of requests. `pools`: of the connections to backends.
    """

    http1: Upstream
    http2: Upstream
    grpc: Upstream
    limits: Limits | None
    pools: tuple[BackendStreams, ...]

    def forget(self, backend: Backend) -> None:
        """Close what is kept to this backend: its address may soon be another's."""
        for pool in self.pools:
            pool.forget(backend)

    def sweep(self) -> None:
        """To be called once a second."""
        for pool in self.pools:
            pool.sweep()

    def close(self) -> None:
        """Close all connections to backends that are kept."""
        for pool in self.pools:
            pool.close()
