"""The pool: the backends of one service, and the only place where a phase changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from composectl.balance.backend import Backend, ContainerHealth, Counters, Key, Replica, Transition
from composectl.balance.phase import Phase, Signal, after
from composectl.balance.policy import Avoid, CanarySplit, Policy
from composectl.balance.retry import RetryBudget
from composectl.balance.stats import Rate

OnTransition = Callable[[Transition, Backend], None]

_CHECKED = (Phase.STARTING, Phase.UNHEALTHY)
_IDLE = "nothing in flight"


class Lease:
    """The right to send one request to one backend; ended exactly once."""

    __slots__ = ("_pool", "backend")

    def __init__(self, pool: Pool, backend: Backend) -> None:
        self._pool: Pool | None = pool
        self.backend = backend

    def first_byte(self) -> None:
        """The backend has begun to respond; to be called where the response may take long."""

    def attempt_failed(self) -> None:
        """The backend did not respond; to be called before the request goes elsewhere or is failed."""

    def answered(self, status: int, microseconds: int) -> None:
        """The backend's final response, with this status, was relayed whole."""
        backend = self.backend
        backend.responses[status // 100] += 1
        backend.latency.record(microseconds)
        self._end()

    def tunnel_closed(self) -> None:
        """The connection that the backend's 101 made a tunnel has ended."""
        self.backend.responses[1] += 1
        self._end()

    def failed(self, reason: str) -> None:
        """The backend did not respond, or broke off its response; `reason` is one of a few words."""
        self.backend.failed += 1
        _count(self._end().failed_for, reason)

    def retried(self, reason: str) -> None:
        """The backend did not respond, for that `reason`, and another one gets the request."""
        self.backend.retried += 1
        _count(self._end().retried_for, reason)

    def client_closed(self) -> None:
        """The client went away before the end of the response."""
        self._end()

    def _end(self) -> Pool:
        pool, self._pool = self._pool, None
        if pool is None:
            raise RuntimeError(f"the lease of {self.backend} has ended already")
        pool._release(self.backend)
        return pool


class RetryLease(Lease):
    """A lease for a retried request; it takes a place in the retry budget until the first byte."""

    __slots__ = ("_budget", "_on_retry_slot_free")

    def __init__(self, pool: Pool, backend: Backend, budget: RetryBudget) -> None:
        super().__init__(pool, backend)
        self._budget: RetryBudget | None = budget
        self._on_retry_slot_free = pool.on_retry_slot_free
        budget.begin()

    def first_byte(self) -> None:
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.end()
            self._on_retry_slot_free()

    def attempt_failed(self) -> None:
        if self._budget is not None:
            self._budget.spend()
        self.first_byte()

    def failed(self, reason: str) -> None:
        self.attempt_failed()
        super().failed(reason)

    def retried(self, reason: str) -> None:
        self.attempt_failed()
        super().retried(reason)

    # Private

    def _end(self) -> Pool:
        pool = super()._end()
        self.first_byte()
        return pool


class Pool:
    """The backends of one service, their phases, and the leases on them.

    `clock` gives epoch seconds; `on_transition` is called after every transition.
    """

    def __init__(self, service: str, policy: Policy, clock: Callable[[], float], on_transition: OnTransition) -> None:
        self.service = service
        self.since = clock()
        self.rate = Rate()
        self.rejected = 0  # requests for which there was no backend
        self.failed_for: dict[str, int] = {}  # by reason
        self.retried_for: dict[str, int] = {}
        self.changes = dict.fromkeys(Phase, 0)  # transitions by the phase after
        self.on_retry_slot_free: Callable[[], None] = _ignore
        self._policy = policy
        self._canary: CanarySplit | None = None
        self._clock = clock
        self._on_transition = on_transition
        self._backends: dict[Key, Backend] = {}
        self._gone_busy: set[Backend] = set()  # gone, with requests still in flight
        self._archived = Counters()  # the sums of those that are gone and idle
        self._ready = 0
        self._begun = self._ended = 0  # leases
        self._retries = 0  # those of them that went to requests which had one before
        self._budget = RetryBudget()

    @property
    def backends(self) -> list[Backend]:
        """All that are not gone, by number."""
        return sorted(self._backends.values(), key=lambda backend: (backend.replica.number, backend.replica.started))

    @property
    def ready(self) -> int:
        """The number of ready backends."""
        return self._ready

    @property
    def stop_grace_period(self) -> float:
        """The longest of its backends, in seconds; infinite where there is no backend."""
        periods = (backend.replica.stop_grace_period for backend in self._backends.values())
        return max(periods, default=float("inf"))

    @property
    def is_retrying(self) -> bool:
        """Whether a retry that takes a place in the budget is under way."""
        return self._budget.in_use

    @property
    def requests(self) -> int:
        """Requests of clients so far; one that was tried on several backends counts once."""
        return self.rejected + self._begun - self._retries

    def counters(self) -> Counters:
        """The sums over all backends, those that are gone included."""
        total = Counters()
        for counters in (self._archived, *self._gone_busy, *self._backends.values()):
            total.add(counters)
        return total

    def reject(self, reason: str) -> None:
        """Count a request that got no backend."""
        self.rejected += 1
        _count(self.failed_for, reason)

    def lease(self, avoid: Avoid = (), key: str = "") -> Lease | None:
        """Choose a ready backend and count the request there, in one step; None where none is ready.

        `key` names the client, for policies that keep a client at one backend.
        """
        backend = self._policy.acquire(avoid, key)
        if backend is None:
            return None
        backend.in_flight += 1
        backend.requests += 1
        self._begun += 1
        return Lease(self, backend)

    def lease_retry(self, tried: Avoid, key: str = "", *, connected: bool) -> Lease | None:
        """Choose another backend for a request that those in `tried` have failed; None where there is none.

        `connected`: the last of them may have got it. An attempt without a connection cost no backend any work, so
        that it is free: outlier detection ends such attempts. Others are on a budget.
        """
        if connected and not self._budget.allows(self._begun - self._retries, self._begun - self._ended):
            return None
        backend = self._policy.acquire(tried, key)
        if backend is None:
            return None
        backend.in_flight += 1
        backend.requests += 1
        self._begun += 1
        self._retries += 1
        return RetryLease(self, backend, self._budget) if connected else Lease(self, backend)

    def sync(self, replicas: Iterable[Replica]) -> None:
        """Take over the whole list of running replicas, as Docker reports it now."""
        seen = {replica.key: replica for replica in replicas}
        for key in self._backends.keys() - seen.keys():
            moved = any(key[:2] == other[:2] for other in seen)
            reason = "its container has another address" if moved else "its container stopped"
            self._transition(self._backends[key], Signal.REMOVED, reason)
        for key, replica in seen.items():
            if key not in self._backends:
                self._backends[key] = Backend(replica, self._clock())
            self._apply_health(self._backends[key], replica)

    def disable(self, id: str, reason: str) -> None:  # noqa: A002 - Docker's word
        """Put the backends of this container into maintenance."""
        for backend in self._of(id):
            self._transition(backend, Signal.DISABLE, reason)

    def enable(self, id: str, reason: str) -> None:  # noqa: A002 - Docker's word
        """End the maintenance of this container's backends: they are ready once a check has passed."""
        for backend in self._of(id):
            self._transition(backend, Signal.ENABLE, reason)
            self._apply_health(backend, backend.replica)

    def drain(self, id: str, reason: str) -> None:  # noqa: A002 - Docker's word
        """Send no new request to the backends of this container, which leave for good."""
        for backend in self._of(id):
            self._transition(backend, Signal.DRAIN, reason)
            if not backend.in_flight:
                self._transition(backend, Signal.IDLE, _IDLE)

    def remove(self, key: Key, reason: str) -> None:
        """Forget the replica at once: from now on its address may be that of another."""
        if backend := self._backends.get(key):
            self._transition(backend, Signal.REMOVED, reason)

    def drain_all(self, reason: str) -> None:
        """Drain every backend."""
        for backend in self.backends:
            self.drain(backend.replica.id, reason)

    def connected(self, backend: Backend) -> None:
        """A connection for a request was made."""
        backend.outlier.connected()

    def connection_refused(self, backend: Backend, error: str) -> None:
        """A connection for a request failed: two in a row eject the backend, unless no other is ready."""
        if backend.outlier.connection_refused() and backend.phase is Phase.READY and self._ready > 1:
            now = self._clock()
            backend.outlier.eject(now, ready_for=now - backend.since)
            self._transition(backend, Signal.UNHEALTHY, error)

    def due_for_check(self, *, ready: bool = False) -> list[Backend]:
        """The backends to check now: those that are not ready, but neither reported unhealthy by Docker nor ejected.

        While no backend is ready, ejection is suspended. `ready`: the ready ones, too.
        """
        now = self._clock()
        return [backend for backend in self._backends.values() if self._is_due_for_check(backend, now, ready)]

    def checked(self, backend: Backend, error: str | None, reason: str = "its port accepts") -> None:
        """Take the result of a check: an error, or None and the `reason` why it is healthy.

        Three failures in a row take a ready backend out, unless no other is ready.
        """
        if error is None:
            if backend.replica.health is not ContainerHealth.UNHEALTHY:
                backend.outlier.check_passed()
                self._transition(backend, Signal.HEALTHY, reason)
        elif backend.phase is not Phase.READY:
            backend.outlier.extend_ejection(self._clock())
        elif backend.outlier.check_failed() and self._ready > 1:
            self._transition(backend, Signal.UNHEALTHY, error)

    def begin_canary(self, old: Collection[str], share: float) -> None:
        """From now on all backends but those of the containers `old` get this share of the requests, together."""
        ready = [backend for backend in self._backends.values() if backend.phase is Phase.READY]
        self._policy = self._canary = CanarySplit(self._policy, old, share, ready)

    def end_canary(self) -> None:
        """From now on the policy alone divides the requests."""
        if self._canary is not None:
            self._policy, self._canary = self._canary.end(), None

    def canary_share(self, backend: Backend) -> float | None:
        """The share of the requests that it gets together with the other canaries; None where it is not one."""
        return self._canary.share if self._canary is not None and self._canary.is_canary(backend) else None

    def sample(self) -> None:
        """Take the counters for the rates; to be called once a second."""
        self.rate.sample(self.requests)
        for backend in self._backends.values():
            backend.rate.sample(backend.requests)

    # Private

    def _of(self, id: str) -> list[Backend]:  # noqa: A002 - Docker's word
        return [backend for backend in self._backends.values() if backend.replica.id == id]

    def _apply_health(self, backend: Backend, replica: Replica) -> None:
        is_news = backend.phase is Phase.STARTING or replica.health is not backend.replica.health
        backend.replica = replica
        if replica.health is ContainerHealth.HEALTHY and is_news:
            self._transition(backend, Signal.HEALTHY, "healthy")
        elif replica.health is ContainerHealth.UNHEALTHY:
            self._transition(backend, Signal.UNHEALTHY, "unhealthy or paused")

    def _is_due_for_check(self, backend: Backend, now: float, ready: bool) -> bool:
        if backend.phase is Phase.READY:
            return ready
        if backend.phase not in _CHECKED or backend.replica.health is ContainerHealth.UNHEALTHY:
            return False
        return not (self._ready and backend.outlier.is_ejected(now))

    def _transition(self, backend: Backend, signal: Signal, reason: str) -> None:
        before, phase = backend.phase, after(backend.phase, signal)
        if phase is None:
            return
        backend.phase, backend.since = phase, self._clock()
        self.changes[phase] += 1
        self._update_policy(backend, before)
        replica = backend.replica
        transition = Transition(backend.since, self.service, replica.number, replica.name, before, phase, reason)
        self._on_transition(transition, backend)

    def _update_policy(self, backend: Backend, before: Phase) -> None:
        if backend.phase is Phase.READY:
            backend.outlier.recovered()
            self._ready += 1
            self._policy.add(backend)
        elif before is Phase.READY:
            self._ready -= 1
            self._policy.remove(backend)
        if backend.phase is Phase.GONE:
            del self._backends[backend.replica.key]
            self._archive(backend)

    def _archive(self, backend: Backend) -> None:
        if backend.in_flight:
            self._gone_busy.add(backend)
        else:
            self._gone_busy.discard(backend)
            self._archived.add(backend)

    def _release(self, backend: Backend) -> None:
        self._ended += 1
        backend.in_flight -= 1
        if backend.phase is Phase.READY:
            self._policy.release(backend)
        elif not backend.in_flight:
            self._idle(backend)

    def _idle(self, backend: Backend) -> None:
        if backend.phase is Phase.GONE:
            self._archive(backend)
        else:
            self._transition(backend, Signal.IDLE, _IDLE)


# Private


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _ignore() -> None:
    pass
