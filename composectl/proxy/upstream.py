"""An upstream: where the requests of one listener go."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.balance.pool import Pool
from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.queue import RequestQueue


@dataclass(frozen=True, slots=True)
class Upstream:
    """A pool, the connections to the port of its backends that the listener stands for, and where requests wait."""

    pool: Pool
    connections: ConnectionPool
    queue: RequestQueue
