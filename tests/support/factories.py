"""Replicas and pools that are easy to make."""

from __future__ import annotations

from collections.abc import Callable

from composectl.balance.backend import Backend, ContainerHealth, Replica, Transition
from composectl.balance.phase import Phase
from composectl.balance.policy import LeastRequest, Policy
from composectl.balance.pool import Pool
from composectl.balance.sessions import Sessions


def replica(number: int, report: ContainerHealth = ContainerHealth.HEALTHY, run: str = "1") -> Replica:
    return Replica(f"{number:064x}", run, number, f"echo-{number}", f"10.0.0.{number}", report)


class RecordedPool:
    """A pool, and the changes that it told."""

    def __init__(
        self, count: int = 0, policy: Callable[[], Policy] = LeastRequest, sessions: Sessions | None = None
    ) -> None:
        self.changes: list[Transition] = []
        self.now = 1000.0
        self.pool = Pool("echo", policy(), lambda: self.now, self._tell, sessions)
        self.pool.sync(replica(number) for number in range(1, count + 1))

    def backend(self, number: int) -> Backend:
        return next(backend for backend in self.pool.backends if backend.replica.number == number)

    def eject(self, number: int) -> Backend:
        """Let the backend refuse as many connections as it takes."""
        backend = self.backend(number)
        for _ in range(2):
            self.pool.leases.connection_refused(backend, "Connection refused")
        assert backend.phase is Phase.UNHEALTHY
        return backend

    def _tell(self, change: Transition, backend: Backend) -> None:
        assert backend.phase is change.after
        self.changes.append(change)
