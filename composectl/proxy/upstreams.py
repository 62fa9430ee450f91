"""What stands behind a listener for one service, by what its clients speak."""

from __future__ import annotations

from dataclasses import dataclass

from composectl.balance.backend import Backend
from composectl.proxy.exchange import BackendStreams, Upstream
from composectl.proxy.limits import Limits


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
