"""A route: where the requests of one listener go."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.balance.pool import Pool
from composectl.proxy.connection_pool import Connections
from composectl.proxy.queue import WaitingRoom


@dataclass(frozen=True, slots=True)
class Route:
    """A pool, the connections to the port of its backends that the listener stands for, and where requests wait."""

    pool: Pool
    connections: Connections
    room: WaitingRoom
