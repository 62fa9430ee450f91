"""The pool: the backends of one service, and the only place where a phase changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from composectl.balance.backend import Backend, Change, Key, Replica, Report, Tally
from composectl.balance.phase import Phase, Signal, after
from composectl.balance.policy import Avoid, Canary, Policy
from composectl.balance.retry import Budget
from composectl.balance.stats import Rate

Tell = Callable[[Change, Backend], None]

_PROBED = (Phase.STARTING, Phase.FAILING)


class Lease:
    """The right to send one request to one backend; ended exactly once."""

    __slots__ = ("_pool", "backend")

    def __init__(self, pool: Pool, backend: Backend) -> None:
        self._pool: Pool | None = pool
        self.backend = backend

    def heard(self) -> None:
        """The backend has begun to answer; to be told of what may go on for long."""

    def lost(self) -> None:
        """The backend did not answer, whatever becomes of the request; to be told before it goes elsewhere."""

    def answered(self, status: int, microseconds: int) -> None:
        """The backend's final response, with this status, was relayed whole."""
        backend = self.backend
        backend.responses[status // 100] += 1
        backend.latency.record(microseconds)
        self._end()

    def switched(self) -> None:
        """The connection that became a tunnel, by the backend's 101, has ended."""
        self.backend.responses[1] += 1
        self._end()

    def failed(self, reason: str) -> None:
        """The backend did not answer, or broke off its answer; `reason` is one of a few words."""
        self.backend.failed += 1
        _count(self._end().failed_for, reason)

    def moved(self, reason: str) -> None:
        """The backend did not answer, for that `reason`, and another one gets the request."""
        self.backend.retried += 1
        _count(self._end().retried_for, reason)

    def abandoned(self) -> None:
        """The client went away before the end of the response."""
        self._end()

    def _end(self) -> Pool:
        pool, self._pool = self._pool, None
        if pool is None:
            raise RuntimeError(f"the lease of {self.backend} has ended already")
        pool._take_back(self.backend)
        return pool


class FurtherLease(Lease):
    """A lease for a request that others have failed, on the budget of such attempts until it is heard."""

    __slots__ = ("_budget", "_tell_freed")

    def __init__(self, pool: Pool, backend: Backend, budget: Budget) -> None:
        super().__init__(pool, backend)
        self._budget: Budget | None = budget
        self._tell_freed = pool.tell_freed
        budget.begin()

    def heard(self) -> None:
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.end()
            self._tell_freed()

    def lost(self) -> None:
        if self._budget is not None:
            self._budget.spend()
        self.heard()

    def failed(self, reason: str) -> None:
        self.lost()
        super().failed(reason)

    def moved(self, reason: str) -> None:
        self.lost()
        super().moved(reason)

    # Private

    def _end(self) -> Pool:
        pool = super()._end()
        self.heard()
        return pool


class Pool:
    """Who is there, who is well, who gets the next request.

    `clock` gives epoch seconds; `tell` hears of every change, after it was made.
    """

    def __init__(self, service: str, policy: Policy, clock: Callable[[], float], tell: Tell) -> None:
        self.service = service
        self.since = clock()
        self.rate = Rate()
        self.unserved = 0  # requests for which there was no backend
        self.failed_for: dict[str, int] = {}  # by reason
        self.retried_for: dict[str, int] = {}
        self.changes = dict.fromkeys(Phase, 0)  # by the phase after
        self._policy = policy
        self._canary: Canary | None = None
        self._clock = clock
        self._tell = tell
        self._backends: dict[Key, Backend] = {}
        self._lingering: set[Backend] = set()  # gone, with requests still in flight
        self._retired = Tally()  # the sums of those that are gone for good
        self._ready = 0
        self._begun = self._ended = 0  # leases
        self._further = 0  # those of them that went to requests which had one before
        self._budget = Budget()
        self.tell_freed: Callable[[], None] = _to_nobody  # hears that there may be a further attempt again

    @property
    def backends(self) -> list[Backend]:
        """All that are not gone, by number."""
        return sorted(self._backends.values(), key=lambda backend: (backend.replica.number, backend.replica.started))

    @property
    def ready(self) -> int:
        """How many get requests."""
        return self._ready

    @property
    def grace(self) -> float:
        """The seconds that its backends are given to stop, the longest of them; without end where there is none."""
        return max((backend.replica.grace for backend in self._backends.values()), default=float("inf"))

    @property
    def is_retrying(self) -> bool:
        """Whether a further attempt that is on the budget is under way."""
        return self._budget.is_drawn_on

    @property
    def requests(self) -> int:
        """Requests of clients so far; one that was tried on several backends counts once."""
        return self.unserved + self._begun - self._further

    def tally(self) -> Tally:
        """The sums over all backends, those that are gone included."""
        total = Tally()
        for tally in (self._retired, *self._lingering, *self._backends.values()):
            total.add(tally)
        return total

    def turned_away(self, reason: str) -> None:
        """There was no backend for a request, and it waited no longer."""
        self.unserved += 1
        _count(self.failed_for, reason)

    def lease(self, avoid: Avoid = (), client: str = "") -> Lease | None:
        """Choose a ready backend and count the request there, in one step; None where nobody is ready.

        `client`: the address that the request came from.
        """
        backend = self._policy.take(avoid, client)
        if backend is None:
            return None
        backend.in_flight += 1
        backend.requests += 1
        self._begun += 1
        return Lease(self, backend)

    def lease_again(self, tried: Avoid, client: str = "", *, connected: bool) -> Lease | None:
        """Choose another backend for a request that those in `tried` have failed; None where nobody may have it.

        `connected`: the last of them may have got it. Where it has not, nobody has had any work yet: the attempt
        is free, and comes to an end when those that refuse connections are failing. Others are on a budget.
        """
        if connected and not self._budget.allows(self._begun - self._further, self._begun - self._ended):
            return None
        backend = self._policy.take(tried, client)
        if backend is None:
            return None
        backend.in_flight += 1
        backend.requests += 1
        self._begun += 1
        self._further += 1
        return FurtherLease(self, backend, self._budget) if connected else Lease(self, backend)

    def observe(self, replicas: Iterable[Replica]) -> None:
        """Take over the whole list of running replicas, as Docker reports it now."""
        seen = {replica.key: replica for replica in replicas}
        for key in self._backends.keys() - seen.keys():
            moved = any(key[:2] == other[:2] for other in seen)
            why = "its container has another address" if moved else "its container stopped"
            self._signal(self._backends[key], Signal.VANISHED, why)
        for key, replica in seen.items():
            self._heed(self._backends.get(key) or self._admit(replica), replica)

    def rest(self, id: str, why: str) -> None:  # noqa: A002 - Docker's word
        """No new request for the backends of this container until they return."""
        for backend in self._of(id):
            self._signal(backend, Signal.REST, why)

    def come_back(self, id: str, why: str) -> None:  # noqa: A002 - Docker's word
        """Those of this container that rest begin anew: ready once they are found to be well."""
        for backend in self._of(id):
            self._signal(backend, Signal.RETURN, why)
            self._heed(backend, backend.replica)

    def leave(self, id: str, why: str) -> None:  # noqa: A002 - Docker's word
        """No new request for the backends of this container."""
        for backend in self._of(id):
            self._signal(backend, Signal.LEAVE, why)
            if not backend.in_flight:
                self._signal(backend, Signal.EMPTIED, "nothing in flight")

    def vanish(self, key: Key, why: str) -> None:
        """The address of this replica is nobody's from now on, or somebody else's."""
        if backend := self._backends.get(key):
            self._signal(backend, Signal.VANISHED, why)

    def leave_all(self, why: str) -> None:
        """No new request for anybody."""
        for backend in self.backends:
            self.leave(backend.replica.id, why)

    def reached(self, backend: Backend) -> None:
        """A connection for a request was made."""
        backend.standing.reached()

    def refused(self, backend: Backend, error: str) -> None:
        """A connection for a request was not made: two in a row take a backend out, for a while, but never the last."""
        if backend.standing.refused() and backend.phase is Phase.READY and self._ready > 1:
            now = self._clock()
            backend.standing.leave_alone(now, well_for=now - backend.since)
            self._signal(backend, Signal.WENT_DOWN, error)

    def to_probe(self, *, ready: bool = False) -> list[Backend]:
        """Who is to be probed now: who is not ready, unless Docker holds it for unwell or it is left alone.

        Where nobody is ready, nobody is left alone. `ready`: those that are ready, too.
        """
        now = self._clock()
        return [backend for backend in self._backends.values() if self._is_to_be_probed(backend, now, ready)]

    def probed(self, backend: Backend, error: str | None, why: str = "its port accepts") -> None:
        """Take the result of a probe, None where it succeeded: then `why` it is well.

        Three failures in a row take a ready backend out, but never the last.
        """
        if error is not None:
            self._failed_probe(backend, error)
        elif backend.replica.report is not Report.DOWN:
            backend.standing.passed_check()
            self._signal(backend, Signal.CAME_UP, why)

    def begin_canary(self, old: Collection[str], share: float) -> None:
        """From now on all backends but those of the containers `old` get this share of the requests, together."""
        ready = [backend for backend in self._backends.values() if backend.phase is Phase.READY]
        self._policy = self._canary = Canary(self._policy, old, share, ready)

    def end_canary(self) -> None:
        """Who was held at a share gets as much as all others."""
        if self._canary is not None:
            self._policy, self._canary = self._canary.end(), None

    def canary_share(self, backend: Backend) -> float | None:
        """The share of the requests at which it is held, together with others like it; None where it is not."""
        return self._canary.share if self._canary is not None and self._canary.is_held(backend) else None

    def sample(self) -> None:
        """Take the counters for the rates; to be called once a second."""
        self.rate.sample(self.requests)
        for backend in self._backends.values():
            backend.rate.sample(backend.requests)

    # Private

    def _of(self, id: str) -> list[Backend]:  # noqa: A002 - Docker's word
        return [backend for backend in self._backends.values() if backend.replica.id == id]

    def _admit(self, replica: Replica) -> Backend:
        backend = Backend(replica, self._clock())
        self._backends[replica.key] = backend
        return backend

    def _heed(self, backend: Backend, replica: Replica) -> None:
        news = backend.phase is Phase.STARTING or replica.report is not backend.replica.report
        backend.replica = replica
        if replica.report is Report.UP and news:
            self._signal(backend, Signal.CAME_UP, "healthy")
        elif replica.report is Report.DOWN:
            self._signal(backend, Signal.WENT_DOWN, "unhealthy or paused")

    def _is_to_be_probed(self, backend: Backend, now: float, ready: bool) -> bool:
        if backend.phase is Phase.READY:
            return ready
        if backend.phase not in _PROBED or backend.replica.report is Report.DOWN:
            return False
        return not (self._ready and backend.standing.is_left_alone(now))

    def _failed_probe(self, backend: Backend, error: str) -> None:
        if backend.phase is not Phase.READY:
            backend.standing.still_fails(self._clock())
        elif backend.standing.failed_check() and self._ready > 1:
            self._signal(backend, Signal.WENT_DOWN, error)

    def _signal(self, backend: Backend, signal: Signal, why: str) -> None:
        before, phase = backend.phase, after(backend.phase, signal)
        if phase is None:
            return
        backend.phase, backend.since = phase, self._clock()
        self.changes[phase] += 1
        self._reorder(backend, before)
        self._tell(
            Change(backend.since, self.service, backend.replica.number, backend.replica.name, before, phase, why),
            backend,
        )

    def _reorder(self, backend: Backend, before: Phase) -> None:
        if backend.phase is Phase.READY:
            backend.standing.came_up()
            self._ready += 1
            self._policy.add(backend)
        elif before is Phase.READY:
            self._ready -= 1
            self._policy.remove(backend)
        if backend.phase is Phase.GONE:
            del self._backends[backend.replica.key]
            self._retire(backend)

    def _retire(self, backend: Backend) -> None:
        if backend.in_flight:
            self._lingering.add(backend)
        else:
            self._lingering.discard(backend)
            self._retired.add(backend)

    def _take_back(self, backend: Backend) -> None:
        self._ended += 1
        backend.in_flight -= 1
        if backend.phase is Phase.READY:
            self._policy.give_back(backend)
        elif not backend.in_flight:
            self._emptied(backend)

    def _emptied(self, backend: Backend) -> None:
        if backend.phase is Phase.GONE:
            self._retire(backend)
        else:
            self._signal(backend, Signal.EMPTIED, "nothing in flight")


# Private


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _to_nobody() -> None:
    pass
