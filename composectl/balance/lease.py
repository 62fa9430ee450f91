"""Leases: the right to send one request to one backend, and the counters of what became of the requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from composectl.balance.backend import Backend, Counters
from composectl.balance.phase import Phase
from composectl.balance.policy import Avoid, CanarySplit, Capped, Policy
from composectl.balance.retry import RetryBudget
from composectl.balance.sessions import Sessions
from composectl.balance.stats import Rate

_READY: Final = Phase.READY  # looked up once
_LEAVING: Final = (Phase.DRAINING, Phase.DRAINED, Phase.GONE)


class Lease:
    """The right to send one request to one backend; ended exactly once."""

    __slots__ = ("_leases", "backend")

    def __init__(self, leases: Leases, backend: Backend) -> None:
        self._leases: Leases | None = leases
        self.backend = backend

    def first_byte(self) -> None:
        """The backend has begun to respond; to be called where the response may take long."""

    def attempt_failed(self) -> None:
        """The backend did not respond to what it got; to be called before the request goes elsewhere or is failed."""

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

    def connection_opened(self) -> None:
        """A connection of a client is relayed to the backend from now on."""
        self.backend.connections += 1
        self.backend.connections_total += 1

    def connection_closed(self, reason: str = "") -> None:
        """The relayed connection has ended; with a `reason`, it has failed."""
        self.backend.connections -= 1
        if reason:
            self.failed(reason)
        else:
            self._end()

    def failed(self, reason: str) -> None:
        """The backend did not respond, or broke off its response; `reason` is one of a few words."""
        self.attempt_failed()
        self.backend.failed += 1
        self._end().failed_for[reason] += 1

    def retried(self, reason: str) -> None:
        """The backend did not respond, for that `reason`, and another one gets the request."""
        self.attempt_failed()
        self.backend.retried += 1
        self._end().retried_for[reason] += 1

    def client_closed(self) -> None:
        """The client went away before the end of the response."""
        self._end()

    def _end(self) -> Leases:
        leases, self._leases = self._leases, None
        if leases is None:
            raise RuntimeError(f"the lease of {self.backend} has ended already")
        leases._release(self)
        return leases


class RetryLease(Lease):
    """A lease for a retried request; it takes a place in the retry budget until the first byte."""

    __slots__ = ("_budget", "_on_slot_free")

    def __init__(
        self, leases: Leases, backend: Backend, budget: RetryBudget, on_slot_free: Callable[[], None] | None
    ) -> None:
        super().__init__(leases, backend)
        self._budget: RetryBudget | None = budget
        self._on_slot_free = on_slot_free
        budget.begin()

    def first_byte(self) -> None:
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.end()
            if self._on_slot_free is not None:
                self._on_slot_free()

    def attempt_failed(self) -> None:
        if self._budget is not None:
            self._budget.spend()
        self.first_byte()

    # Private

    def _end(self) -> Leases:
        leases = super()._end()
        self.first_byte()
        return leases


class Leases:
    """Chooses backends for requests, and counts; the pool decides on membership, phases and what the policy has.

    `sessions`: None where requests of one client need not stay together. `cap`: None where a backend may get any number
    at once; else its policy is this one.
    `on_idle` is called when a backend that is not ready has nothing more in flight, `on_outlier` when connections to
    it were refused too often, with the last error.
    """

    def __init__(
        self,
        policy: Policy,
        on_idle: Callable[[Backend], None],
        on_outlier: Callable[[Backend, str], None],
        sessions: Sessions | None = None,
        cap: Capped | None = None,
    ) -> None:
        self.rate = Rate()
        self.rejected = 0  # requests for which there was no backend
        self.bad_requests = Counter[str]()  # of clients, which went to no backend, by reason
        self.failed_for = Counter[str]()  # by reason
        self.retried_for = Counter[str]()
        self.policy: Policy = policy if cap is None else cap  # that which divides the requests now
        self.cap = cap
        self.sessions = sessions
        self.budget = RetryBudget()
        self._canary: CanarySplit | None = None
        self._on_idle = on_idle
        self._on_outlier = on_outlier
        self._backends: dict[Backend, None] = {}
        self._archived = Counters()  # the sums of those that are gone and idle
        self._begun = self._ended = 0  # leases
        self._retries = 0  # those of them that went to requests which had one before
        self._vacated: set[Lease] = set()

    @property
    def requests(self) -> int:
        """Requests of clients so far; one that was tried on several backends counts once."""
        return self.rejected + self._begun - self._retries

    @property
    def in_flight(self) -> int:
        """Requests and connections that have a backend now."""
        return self._begun - self._ended

    def counters(self) -> Counters:
        """The sums over all backends, those that are gone included."""
        total = Counters()
        for counters in (self._archived, *self._backends):
            total.add(counters)
        return total

    def acquire(self, avoid: Avoid = (), key: str = "", session: bytes | None = None) -> Lease | None:
        """Choose a backend and count the request there, in one step; None where none is ready, or may get more.

        `key` names the client, for policies that keep a client at one backend. A `session` has its own backend.
        """
        if session and self.sessions is not None:
            backend = self.sessions.find(session, avoid)
            if backend is not None:
                return self._lease_of(backend)
        backend = self.policy.acquire(avoid, key)
        return None if backend is None else self._begin(backend)

    def acquire_kept(self, session: bytes | None) -> Lease | None:
        """A lease of the backend in maintenance that has this session, if one has, though no other may be ready."""
        if not session or self.sessions is None:
            return None
        backend = self.sessions.find(session)
        return self._lease_of(backend) if backend is not None and self.sessions.keeps(backend) else None

    def acquire_at(self, number: int) -> Lease | None:
        """A lease of the backend of this number, ready or not, unless it leaves; None where it is absent or full."""
        backend = self._find(number)
        return None if backend is None else self._lease_of(backend)

    def has(self, number: int) -> bool:
        """Whether there is a backend of this number that does not leave."""
        return self._find(number) is not None

    def is_full(self, avoid: Avoid = ()) -> bool:
        """Whether the cap alone keeps a request from the backends that are ready, and outside `avoid`."""
        cap = self.cap
        if cap is None:
            return False
        ready = [backend for backend in self._backends if backend.phase is _READY and backend not in avoid]
        return bool(ready) and all(cap.is_full(backend) for backend in ready)

    def vacate(self, lease: Lease) -> None:
        """The request of this lease waits for another backend: until it ends, it has no part in the cap."""
        if self.cap is not None and lease not in self._vacated:
            self._vacated.add(lease)
            self.cap.vacate(lease.backend)

    def acquire_retry(
        self,
        tried: Avoid,
        key: str = "",
        session: bytes | None = None,
        *,
        reached: bool,
        on_slot_free: Callable[[], None] | None = None,
    ) -> Lease | None:
        """Choose another backend for a request that those in `tried` have failed; None where there is none.

        `reached`: a backend may have got it. Until then its attempts cost no backend any work, so that they are free:
        outlier detection ends them. Others are on a budget; `on_slot_free` is called when this one leaves its place
        in it.
        """
        if reached and not self.budget.allows(self._begun - self._retries, self._begun - self._ended):
            return None
        lease = self.acquire(tried, key, session)
        if lease is None:
            return None
        self._retries += 1
        return RetryLease(self, lease.backend, self.budget, on_slot_free) if reached else lease

    def reject(self, reason: str) -> None:
        """Count a request that got no backend."""
        self.rejected += 1
        self.failed_for[reason] += 1

    def connected(self, backend: Backend) -> None:
        """A connection for a request was made."""
        backend.outlier.connected()

    def connection_refused(self, backend: Backend, error: str) -> None:
        """A connection for a request failed; two in a row make the backend an outlier."""
        if backend.outlier.connection_refused():
            self._on_outlier(backend, error)

    def sample(self) -> None:
        """Take the counters for the rates; to be called once a second."""
        self.rate.sample(self.requests)
        for backend in self._backends:
            backend.rate.sample(backend.requests)
            backend.received_rate.sample(backend.bytes_received)
            backend.sent_rate.sample(backend.bytes_sent)

    # The canary

    def begin_canary(self, old: Collection[str], share: float) -> None:
        """From now on all backends but those of the containers `old` get this share of the requests, together."""
        ready = [backend for backend in self._backends if backend.phase is Phase.READY]
        self._canary = CanarySplit(self.policy if self.cap is None else self.cap.policy, old, share, ready)
        self._divide_by(self._canary)

    def end_canary(self) -> None:
        """From now on the policy alone divides the requests."""
        if self._canary is not None:
            self._divide_by(self._canary.end())
            self._canary = None

    def canary_share(self, backend: Backend) -> float | None:
        """The share of the requests that it gets together with the other canaries; None where it is not one."""
        return self._canary.share if self._canary is not None and self._canary.is_canary(backend) else None

    # Membership

    def add(self, backend: Backend) -> None:
        """Count for `backend`, which is not ready yet."""
        self._backends[backend] = None

    def archive(self, backend: Backend) -> None:
        """The backend is gone: keep its counts alone, once nothing is in flight there."""
        if not backend.in_flight:
            del self._backends[backend]
            self._archived.add(backend)
            if self.cap is not None:
                self.cap.forget(backend)

    # The counts of several processes

    @property
    def backends(self) -> list[Backend]:
        """Those that are counted for, the ones included that are gone and not yet idle."""
        return list(self._backends)

    @property
    def totals(self) -> tuple[int, ...]:
        """How many leases have begun, ended, and were for retries; how many requests were rejected."""
        return self._begun, self._ended, self._retries, self.rejected

    def add_totals(self, begun: int, ended: int, retries: int, rejected: int) -> None:
        self._begun += begun
        self._ended += ended
        self._retries += retries
        self.rejected += rejected

    def counters_of(self, backend: Backend | None) -> Counters:
        """Where to count for it: with those that are gone and idle, where it is one of them, or not known any more."""
        return backend if backend is not None and backend in self._backends else self._archived

    # Private

    def _divide_by(self, policy: Policy) -> None:
        if self.cap is None:
            self.policy = policy
        else:
            self.cap.policy = policy

    def _find(self, number: int) -> Backend | None:
        for backend in self._backends:
            if backend.replica.number == number and backend.phase not in _LEAVING:
                return backend
        return None

    def _lease_of(self, backend: Backend) -> Lease | None:
        """A lease of this backend, which the policy has not chosen; None where it is full."""
        if self.cap is not None and not self.cap.claim(backend):
            return None
        if backend.phase is _READY:
            self.policy.take(backend)
        return self._begin(backend)

    def _begin(self, backend: Backend) -> Lease:
        backend.in_flight += 1
        backend.requests += 1
        self._begun += 1
        return Lease(self, backend)

    def _release(self, lease: Lease) -> None:
        backend = lease.backend
        if self._vacated and lease in self._vacated:
            self._vacated.discard(lease)
            backend.vacated -= 1
        elif self.cap is not None:
            self.cap.give_back(backend)
        self._ended += 1
        backend.in_flight -= 1
        if backend.phase is _READY:
            self.policy.release(backend)
        elif not backend.in_flight:
            self._on_idle(backend)
