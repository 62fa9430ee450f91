"""The pool of a daemon and those of its workers: one membership, one sum."""

from __future__ import annotations

from composectl.balance.backend import Backend, ContainerHealth, Transition
from composectl.balance.following_pool import FollowingPool
from composectl.balance.lease import Lease
from composectl.balance.phase import Phase
from composectl.balance.policy import LeastRequest
from composectl.balance.shared_pool import WORKER_ENDED, SharedPool
from tests.support.factories import replica


class Group:
    """A daemon's pool of `count` ready backends, and two workers that hear of each change at once."""

    def __init__(self, count: int = 2) -> None:
        self.now = 1000.0
        self.workers: dict[int, Follower] = {}
        self.pool = SharedPool("echo", LeastRequest(), self.clock, self._tell, None, self._follow)
        self.pool.sync(replica(number) for number in range(1, count + 1))
        for number in range(2):
            self.add(number)

    def add(self, number: int) -> Follower:
        worker = self.workers[number] = Follower(self)
        self.pool.join(number)
        for backend in self.pool.leases.backends:
            self._follow(backend)
        return worker

    def report(self, *numbers: int) -> None:
        for number in numbers or self.workers:
            self.pool.count(number, self.workers[number].pool.take_counts())

    def backend(self, number: int) -> Backend:
        return next(backend for backend in self.pool.leases.backends if backend.replica.number == number)

    def clock(self) -> float:
        return self.now

    # Private

    def _tell(self, _: Transition, backend: Backend) -> None:
        self._follow(backend)

    def _follow(self, backend: Backend) -> None:
        for worker in self.workers.values():
            worker.pool.follow(self.pool.ref(backend), backend.replica, backend.phase)


class Follower:
    def __init__(self, group: Group) -> None:
        self.group = group
        self.idle = 0
        self.pool = FollowingPool(
            "echo", LeastRequest(), group.clock, lambda change, backend: None, None, self._count_idle, self._eject
        )

    def begin(self, number: int | None = None) -> Lease:
        lease = self.pool.leases.acquire() if number is None else self.pool.leases.acquire_at(number)
        assert lease is not None
        return lease

    # Private

    def _count_idle(self) -> None:
        self.idle += 1

    def _eject(self, ref: int, error: str) -> None:
        backend = self.group.pool.find(ref)
        assert backend is not None
        self.group.pool.eject(backend, error)


def test_counts_of_all_are_summed() -> None:
    group = Group()
    for worker in group.workers.values():
        for status, microseconds in ((200, 400), (503, 900)):
            worker.begin(1).answered(status, microseconds)
        worker.begin(2).failed("backend-hung-up")
        worker.pool.leases.bad_requests["not-http"] += 1
        worker.pool.leases.reject("no-backend-ready")
    group.report()
    first, other = group.backend(1), group.backend(2)
    assert (first.requests, first.responses, first.in_flight) == (4, [0, 0, 2, 0, 0, 2], 0)
    assert (sum(first.latency.counts), first.latency.total) == (4, 2600)
    assert (other.requests, other.failed) == (2, 2)
    leases = group.pool.leases
    assert (leases.requests, leases.rejected) == (8, 2)
    assert leases.failed_for == {"backend-hung-up": 2, "no-backend-ready": 2}
    assert leases.bad_requests == {"not-http": 2}


def test_what_was_told_is_told_once() -> None:
    group = Group()
    group.workers[0].begin().answered(200, 100)
    group.report()
    assert not group.workers[0].pool.take_counts().has_any
    group.report()
    assert group.pool.leases.requests == 1


def test_a_retry_is_no_request_more() -> None:
    group = Group()
    worker = group.workers[0]
    lease = worker.begin(1)
    lease.retried("backend-hung-up")
    second = worker.pool.leases.acquire_retry((lease.backend,), reached=True)
    assert second is not None
    second.answered(200, 100)
    group.report()
    assert (group.pool.leases.requests, group.pool.leases.retried_for) == (1, {"backend-hung-up": 1})


def test_a_drain_waits_for_each_worker_though_none_has_told_of_a_request() -> None:
    group = Group()
    leases = [worker.begin(1) for worker in group.workers.values()]
    group.pool.drain(replica(1).id, "scaled down")
    backend = group.backend(1)
    assert backend.phase is Phase.DRAINING
    group.report()
    assert (backend.phase, backend.in_flight) == (Phase.DRAINING, 2)
    for number, lease in enumerate(leases):
        assert backend.phase is Phase.DRAINING
        lease.answered(200, 100)
        assert group.workers[number].idle == 1
        group.report(number)
    assert backend.phase is Phase.DRAINED


def test_an_idle_backend_is_drained_once_all_have_confirmed() -> None:
    group = Group()
    group.pool.drain(replica(1).id, "scaled down")
    group.report(0)
    assert group.backend(1).phase is Phase.DRAINING
    group.report(1)
    assert group.backend(1).phase is Phase.DRAINED


def test_a_draining_backend_gets_no_request_anywhere() -> None:
    group = Group()
    group.pool.drain(replica(1).id, "scaled down")
    assert {worker.begin().backend.replica.number for worker in group.workers.values() for _ in range(4)} == {2}


def test_an_outlier_of_one_worker_is_ejected_in_all() -> None:
    group = Group()
    worker = group.workers[0]
    backend = worker.begin(1).backend
    for _ in range(2):
        worker.pool.leases.connection_refused(backend, "Connection refused")
    assert group.backend(1).phase is Phase.UNHEALTHY
    assert {other.begin().backend.replica.number for other in group.workers.values() for _ in range(4)} == {2}
    group.pool.checked(group.backend(1), None)
    assert group.backend(1).phase is backend.phase is Phase.READY


def test_the_requests_of_a_worker_that_ended_have_failed() -> None:
    group = Group()
    group.workers[0].begin(1)
    group.workers[1].begin(1)
    group.report()
    assert group.backend(1).in_flight == 2
    del group.workers[0]
    group.pool.leave(0)
    assert (group.backend(1).in_flight, group.backend(1).failed) == (1, 1)
    assert group.pool.leases.failed_for == {WORKER_ENDED: 1}
    assert group.pool.leases.requests == 2


def test_a_drain_does_not_wait_for_a_worker_that_ended() -> None:
    group = Group()
    group.pool.drain(replica(1).id, "scaled down")
    group.report(0)
    del group.workers[1]
    group.pool.leave(1)
    assert group.backend(1).phase is Phase.DRAINED


def test_one_that_takes_its_place_knows_all_and_counts_from_nothing() -> None:
    group = Group()
    group.workers[0].begin(1).answered(200, 100)
    group.report()
    group.pool.leave(0)
    worker = group.add(0)
    assert worker.pool.ready == 2
    worker.begin(1).answered(200, 100)
    group.report()
    assert group.backend(1).requests == 2


def test_what_ends_after_its_backend_is_gone_is_in_the_totals() -> None:
    group = Group()
    first, unheard = group.workers[0].begin(1), group.workers[1].begin(1)
    group.report(0)
    group.pool.remove(replica(1).key, "its container stopped")
    first.answered(200, 100)
    unheard.answered(200, 100)
    group.report()
    total = group.pool.leases.counters()
    assert (total.requests, total.in_flight, total.responses[2]) == (2, 0, 2)
    assert [backend.replica.number for backend in group.pool.leases.backends] == [2]


def test_the_same_run_at_the_same_place_may_come_back_while_requests_to_it_are_in_flight() -> None:
    group = Group()
    lease = group.workers[0].begin(1)
    group.report()
    group.pool.sync([replica(2)])
    group.pool.sync([replica(1), replica(2)])
    again = group.pool.backends[0]
    lease.answered(200, 100)
    group.report()
    assert (again.requests, again.in_flight) == (0, 0)
    group.workers[0].begin(1).answered(200, 100)
    group.report()
    assert (again.requests, group.pool.leases.counters().requests) == (1, 2)


def test_a_backend_that_is_not_ready_yet_can_be_asked_for_by_its_number() -> None:
    group = Group(1)
    group.pool.sync([replica(1), replica(2, ContainerHealth.NONE)])
    assert group.workers[0].begin(2).backend.phase is Phase.STARTING


def test_a_canary_gets_its_share_in_the_sum() -> None:
    group = Group(4)
    for worker in group.workers.values():
        worker.pool.leases.begin_canary({replica(number).id for number in (1, 2, 3)}, 0.1)
        for _ in range(100):
            worker.begin().answered(200, 100)
    group.report()
    assert group.backend(4).requests == 20
