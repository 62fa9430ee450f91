"""The pool of a daemon whose workers send the requests: it decides on the phases, and has the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from composectl.balance.backend import Backend, Replica
from composectl.balance.counts import BackendCounts, LeaseCounts
from composectl.balance.phase import Phase, Signal
from composectl.balance.policy import Policy
from composectl.balance.pool import OnTransition, Pool
from composectl.balance.sessions import Sessions

WORKER_ENDED: Final = "worker-ended"
_IDLE: Final = "nothing in flight"
_OPEN: Final = ("in_flight", "connections")


class SharedPool(Pool):
    """Its counters are the sums of what the workers count, which know each backend by a number: its `ref`.

    `on_added` is called for each backend that comes and has no `ref` yet.

    A backend that leaves is idle once every worker has told that it sends no more there, and nothing is in flight.
    """

    def __init__(
        self,
        service: str,
        policy: Policy,
        clock: Callable[[], float],
        on_transition: OnTransition,
        sessions: Sessions | None,
        on_added: Callable[[Backend], None],
    ) -> None:
        super().__init__(service, policy, clock, on_transition, sessions)
        self._on_added = on_added
        self._refs: dict[Backend, int] = {}
        self._known: dict[int, Backend] = {}
        self._next_ref = 0
        self._open: dict[int, dict[int, Counter[str]]] = {}  # what each worker has in flight, and connected
        self._unconfirmed: dict[Backend, set[int]] = {}  # the workers that may still send requests there

    def ref(self, backend: Backend) -> int:
        """What the workers call this backend; -1 once it is gone and idle."""
        if backend.phase is Phase.GONE:
            return self._refs.get(backend, -1)
        if backend not in self._refs:
            self._refs[backend] = self._next_ref
            self._known[self._next_ref] = backend
            self._next_ref += 1
        return self._refs[backend]

    def find(self, ref: int) -> Backend | None:
        """The backend of this name, unless it is gone and idle."""
        return self._known.get(ref)

    def join(self, worker: int) -> None:
        """This worker sends requests from now on."""
        self._open[worker] = {}

    def leave(self, worker: int) -> None:
        """The worker has ended: what it had in flight has failed."""
        for ref, numbers in self._open.pop(worker, {}).items():
            lost, cut = (numbers[name] for name in _OPEN)
            self._add(ref, BackendCounts({"in_flight": -lost, "connections": -cut, "failed": lost}))
            self.leases.add_totals(0, lost, 0, 0)
            self.leases.failed_for.update({WORKER_ENDED: lost} if lost else {})
        for backend in list(self._unconfirmed):
            self._confirm(backend, worker)

    def count(self, worker: int, counts: LeaseCounts) -> None:
        """Add what the worker has counted."""
        leases, held = self.leases, self._open[worker]
        begun, ended, retries, rejected = counts.totals
        leases.add_totals(begun, ended, retries, rejected)
        leases.bad_requests.update(counts.bad_requests)
        leases.failed_for.update(counts.failed_for)
        leases.retried_for.update(counts.retried_for)
        if leases.sessions is not None:
            leases.sessions.moved += counts.sessions_moved
        for ref, each in counts.backends.items():
            numbers = held.setdefault(ref, Counter())
            numbers.update({name: each.numbers.get(name, 0) for name in _OPEN})
            if not any(numbers.values()):
                del held[ref]
            self._add(ref, each)
        for ref in counts.draining:
            if (backend := self.find(ref)) is not None:
                self._confirm(backend, worker)

    def sync(self, replicas: Iterable[Replica]) -> None:
        super().sync(replicas)
        for backend in self._backends.values():
            if backend not in self._refs:
                self._on_added(backend)

    def drain(self, id: str, reason: str) -> None:  # noqa: A002 - Docker's word
        for backend in self._of(id):
            self._transition(backend, Signal.DRAIN, reason)
            if backend.phase is Phase.DRAINING:
                self._unconfirmed.setdefault(backend, set(self._open))
                self._settle(backend)

    # Private

    def _enter(self, backend: Backend, phase: Phase, reason: str) -> None:
        super()._enter(backend, phase, reason)
        if phase is Phase.GONE:
            self._unconfirmed.pop(backend, None)
            if not backend.in_flight:
                self._forget(backend)

    def _add(self, ref: int, counts: BackendCounts) -> None:
        backend = self.find(ref)
        counts.add_to(self.leases.counters_of(backend))
        if backend is not None:
            self._settle(backend)

    def _confirm(self, backend: Backend, worker: int) -> None:
        workers = self._unconfirmed.get(backend)
        if workers is not None:
            workers.discard(worker)
            self._settle(backend)

    def _settle(self, backend: Backend) -> None:
        if backend.in_flight or self._unconfirmed.get(backend):
            return
        if backend.phase is Phase.DRAINING:
            self._unconfirmed.pop(backend, None)
            self._transition(backend, Signal.IDLE, _IDLE)
        elif backend.phase is Phase.GONE:
            self.leases.archive(backend)
            self._forget(backend)

    def _forget(self, backend: Backend) -> None:
        self._known.pop(self._refs.pop(backend, -1), None)
