"""Whatever happens to a pool, in whatever order: what must be true of it all the time."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from composectl.balance.backend import Backend, ContainerHealth, Replica
from composectl.balance.lease import Lease
from composectl.balance.phase import Phase, Signal, after
from tests.support.examples import examples
from tests.support.factories import RecordedPool, replica
from tests.support.policies import ALL_POLICIES

NUMBERS = st.integers(1, 5)
INDEXES = st.integers(0, 99)
RUNNING = st.dictionaries(NUMBERS, st.tuples(st.sampled_from(ContainerHealth), st.sampled_from("12")))
WAITING = (Phase.STARTING, Phase.UNHEALTHY)
LEAVING = (Phase.DRAINING, Phase.DRAINED, Phase.GONE)


class Histories(RuleBasedStateMachine):
    """`leases` are those that are open; `counted` is what became of requests, as the pool must have counted it."""

    @initialize(kind=st.sampled_from(sorted(ALL_POLICIES)), there=RUNNING)
    def begin(self, kind: str, there: dict[int, tuple[ContainerHealth, str]]) -> None:
        self.watched = RecordedPool(policy=ALL_POLICIES[kind])
        self.pool = self.watched.pool
        self.leases: list[Lease] = []
        self.counted: Counter[str] = Counter()
        self.leaving: set[Backend] = set()
        self.sync(there)

    # Docker

    @rule(there=RUNNING)
    def sync(self, there: dict[int, tuple[ContainerHealth, str]]) -> None:
        replicas = [replica(number, report, run) for number, (report, run) in there.items()]
        self.pool.sync(replicas)
        assert {backend.replica for backend in self.pool.backends} == set(replicas)

    @rule(number=NUMBERS)
    def drain(self, number: int) -> None:
        self.pool.drain(replica(number).id, "told to stop")
        self.leaving |= set(self.of(replica(number)))
        assert self.leaving.isdisjoint(self.ready)

    # A person

    @rule(number=NUMBERS)
    def disable(self, number: int) -> None:
        self.pool.disable(replica(number).id, "drained by hand")
        assert all(backend.phase in (Phase.MAINTENANCE, *LEAVING) for backend in self.of(replica(number)))

    @rule(number=NUMBERS)
    def enable(self, number: int) -> None:
        self.pool.enable(replica(number).id, "undrained by hand")
        assert not any(backend.phase is Phase.MAINTENANCE for backend in self.of(replica(number)))

    @rule(numbers=st.sets(NUMBERS), share=st.floats(0.01, 0.99))
    def begin_canary(self, numbers: set[int], share: float) -> None:
        self.pool.leases.end_canary()
        self.pool.leases.begin_canary({replica(number).id for number in numbers}, share)
        held = {backend for backend in self.pool.backends if self.pool.leases.canary_share(backend) == share}
        assert held == {backend for backend in self.pool.backends if backend.replica.number not in numbers}

    @rule()
    def end_canary(self) -> None:
        self.pool.leases.end_canary()
        assert not any(map(self.pool.leases.canary_share, self.pool.backends))

    # Probes and connections

    @precondition(lambda self: self.pool.backends)
    @rule(index=INDEXES, error=st.sampled_from([None, "refused"]), accepts=st.booleans())
    def check(self, index: int, error: str | None, accepts: bool) -> None:
        ready = self.pool.ready
        self.pool.checked(self.any_of(index), error, accepts=accepts)
        assert self.pool.ready >= min(ready, 1) or not accepts

    @precondition(lambda self: self.pool.backends)
    @rule(index=INDEXES, error=st.sampled_from(["", "refused"]))
    def connect(self, index: int, error: str) -> None:
        before = self.ready
        if error:
            self.pool.leases.connection_refused(self.any_of(index), error)
        else:
            self.pool.leases.connected(self.any_of(index))
        assert before - self.ready <= ({self.any_of(index)} if error else set())
        assert self.ready <= before

    @rule(seconds=st.floats(-5.0, 70.0))
    def wait(self, seconds: float) -> None:
        self.watched.now += seconds
        self.pool.leases.sample()

    @rule()
    def the_due_checks_are_those_of_waiting_backends(self) -> None:
        assert all(backend.phase in WAITING for backend in self.pool.due_for_check())
        self.watched.now += 60
        waiting = {backend for backend in self.pool.backends if backend.phase in WAITING}
        assert set(self.pool.due_for_check()) == {
            backend for backend in waiting if backend.replica.health is not ContainerHealth.UNHEALTHY
        }
        self.watched.now -= 60

    # Requests

    @rule()
    def lease(self) -> None:
        lease = self.pool.leases.acquire()
        assert (lease is None) == (not self.ready)
        if lease is not None:
            self.opened(lease)
            self.counted["requests"] += 1

    @precondition(lambda self: self.leases)
    @rule(index=INDEXES, reached=st.booleans())
    def move(self, index: int, reached: bool) -> None:
        lease = self.leases.pop(index % len(self.leases))
        again = self.pool.leases.acquire_retry((lease.backend,), reached=reached)
        if again is None:
            assert reached or self.ready <= {lease.backend}
            lease.failed("backend-hung-up")
            self.counted["failed"] += 1
        else:
            assert again.backend is not lease.backend
            lease.retried("backend-hung-up")
            self.opened(again)
            self.counted["retried"] += 1

    @precondition(lambda self: self.leases)
    @rule(index=INDEXES)
    def hear(self, index: int) -> None:
        self.leases[index % len(self.leases)].first_byte()

    @precondition(lambda self: self.leases)
    @rule(index=INDEXES, end=st.sampled_from(["answered", "failed", "client_closed", "tunnel_closed"]))
    def end(self, index: int, end: str) -> None:
        lease = self.leases.pop(index % len(self.leases))
        if end == "answered":
            lease.answered(200, 1000)
        elif end == "failed":
            lease.failed("backend-hung-up")
        else:
            getattr(lease, end)()
        self.counted[end] += 1

    @rule()
    def pick_each(self) -> None:
        """The policy has what is ready, and nothing else."""
        backends = self.pool.backends
        for backend in backends:
            lease = self.pool.leases.acquire_retry([other for other in backends if other is not backend], reached=False)
            assert (lease is not None) == (backend.phase is Phase.READY)
            if lease is not None:
                lease.client_closed()
                self.counted["picked"] += 1

    def teardown(self) -> None:
        """When everything has ended, nothing is left of it."""
        if not hasattr(self, "pool"):
            return
        while self.leases:
            self.end(0, "client_closed")
        self.pool.sync([])
        self.what_is_counted_is_so()
        assert self.pool.leases.counters().in_flight == self.pool.ready == 0

    # What is always true

    @invariant()
    def what_is_counted_is_so(self) -> None:
        counters, counted = self.pool.leases.counters(), self.counted
        assert counters.in_flight == len(self.leases)
        assert self.pool.leases.requests == counted["requests"]
        assert counters.requests == counted["requests"] + counted["retried"] + counted["picked"]
        assert (counters.failed, counters.retried) == (counted["failed"], counted["retried"])
        assert (sum(self.pool.leases.failed_for.values()), sum(self.pool.leases.retried_for.values())) == (
            counters.failed,
            counters.retried,
        )
        assert counters.responses == [0, counted["tunnel_closed"], counted["answered"], 0, 0, 0]

    @invariant()
    def what_is_in_flight_is_what_was_leased(self) -> None:
        in_flight = Counter(lease.backend for lease in self.leases)
        assert all(backend.in_flight == in_flight[backend] for backend in (*self.pool.backends, *in_flight))
        assert not any(backend.in_flight for backend in self.pool.backends if backend.phase is Phase.DRAINED)
        assert all(backend.in_flight for backend in self.pool.backends if backend.phase is Phase.DRAINING)

    @invariant()
    def a_leaving_backend_never_comes_back(self) -> None:
        assert all(backend.phase in LEAVING for backend in self.leaving)
        assert self.pool.ready == len(self.ready)

    @invariant()
    def every_change_is_in_the_table(self) -> None:
        changes, self.watched.changes = self.watched.changes, []
        for change in changes:
            assert change.after in {after(change.before, signal) for signal in Signal}

    # Private

    @property
    def ready(self) -> set[Backend]:
        return {backend for backend in self.pool.backends if backend.phase is Phase.READY}

    def of(self, other: Replica) -> list[Backend]:
        return [backend for backend in self.pool.backends if backend.replica.id == other.id]

    def any_of(self, index: int) -> Backend:
        return self.pool.backends[index % len(self.pool.backends)]

    def opened(self, lease: Lease) -> None:
        assert lease.backend.phase is Phase.READY
        self.leases.append(lease)


TestHistories = Histories.TestCase
TestHistories.settings = settings(examples(500), stateful_step_count=15)
