"""A route: where the requests of one listener go."""

from dataclasses import dataclass

from composectl.balance.pool import Pool
from composectl.proxy.connections import Connections


@dataclass(frozen=True, slots=True)
class Route:
    """A pool, and the connections to the port of its backends that the listener stands for."""

    pool: Pool
    connections: Connections
