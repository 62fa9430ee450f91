"""The pool of a worker: it follows the phases of the daemon's, and tells what only a process with requests can know."""

from __future__ import annotations

from collections.abc import Callable

from composectl.balance.backend import Backend, Replica
from composectl.balance.counts import CountsReader, LeaseCounts
from composectl.balance.phase import Phase
from composectl.balance.policy import Capped, Policy
from composectl.balance.pool import OnTransition, Pool
from composectl.balance.sessions import Sessions


class FollowingPool(Pool):
    """`on_idle` is called when a backend that is not ready has nothing more in flight here.

    `on_outlier` is called with the `ref` of a backend that has refused connections too often, and the last error: it
    gets no request from here until the daemon says so.
    """

    def __init__(
        self,
        service: str,
        policy: Policy,
        clock: Callable[[], float],
        on_transition: OnTransition,
        sessions: Sessions | None,
        on_idle: Callable[[], None],
        on_outlier: Callable[[int, str], None],
        cap: Capped | None = None,
    ) -> None:
        super().__init__(service, policy, clock, on_transition, sessions, cap)
        self._on_idle = on_idle
        self._on_outlier = on_outlier
        self._refs: dict[Backend, int] = {}
        self._known: dict[int, Backend] = {}
        self._counts = CountsReader(self.leases, self._refs)

    def follow(self, ref: int, replica: Replica, phase: Phase) -> None:
        """The daemon has this replica in this phase, and calls its backend so."""
        backend = self._known.get(ref)
        if backend is None:
            if phase is Phase.GONE:
                return
            backend = self._known[ref] = self._backends[replica.key] = Backend(replica, self._clock())
            self._refs[backend] = ref
            self.leases.add(backend)
        backend.replica = replica
        if backend.phase is not phase:
            self._enter(backend, phase, "")

    def ref(self, backend: Backend) -> int:
        """What the daemon calls this backend."""
        return self._refs[backend]

    def find(self, ref: int) -> Backend | None:
        """The backend of this name, unless it is gone and idle."""
        return self._known.get(ref)

    def take_counts(self) -> LeaseCounts:
        """What was counted since the last call."""
        taken = self._counts.take()
        present = self.leases.backends
        for backend in self._refs.keys() - set(present):
            del self._known[self._refs.pop(backend)]
        return taken

    def eject(self, backend: Backend, error: str) -> None:
        if backend.phase is Phase.READY:
            self._enter(backend, Phase.UNHEALTHY, error)
            self._on_outlier(self._refs[backend], error)

    # Private

    def _idle(self, backend: Backend) -> None:
        if backend.phase is Phase.GONE:
            self.leases.archive(backend)
        self._on_idle()
