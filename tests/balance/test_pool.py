"""Who is there, who is well, who gets the next request."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from composectl.balance.backend import Backend
from composectl.balance.phase import Phase, after
from composectl.balance.phase import Signal as PhaseSignal
from composectl.balance.pool import Lease
from composectl.balance.replica import Report
from tests.balance.made_up import Watched, replica


def leased(watched: Watched) -> Lease:
    lease = watched.pool.lease()
    assert lease is not None
    return lease


def test_healthy_replicas_are_ready_at_once_and_silent_ones_when_their_port_accepts() -> None:
    watched = Watched()
    watched.pool.observe([replica(1, Report.UP), replica(2, Report.SILENT), replica(3, Report.DOWN)])
    assert [one.phase for one in watched.pool.backends] == [Phase.READY, Phase.STARTING, Phase.STARTING]
    watched.pool.probed(watched.backend(2), None)
    assert watched.backend(2).phase is Phase.READY


def test_a_port_that_accepts_does_not_outweigh_an_unhealthy_report() -> None:
    watched = Watched()
    watched.pool.observe([replica(1, Report.DOWN)])
    watched.pool.probed(watched.backend(1), None)
    assert watched.backend(1).phase is Phase.STARTING


def test_an_unhealthy_report_takes_even_the_last_one_out() -> None:
    watched = Watched(1)
    watched.pool.observe([replica(1, Report.DOWN)])
    assert watched.pool.lease() is None


def test_a_restarted_container_is_another_backend() -> None:
    watched = Watched(1)
    before = watched.backend(1)
    watched.pool.observe([replica(1, run="2")])
    assert before.phase is Phase.GONE
    assert watched.backend(1) is not before


def test_leaving_waits_for_what_is_in_flight() -> None:
    watched = Watched(1)
    lease, backend = leased(watched), watched.backend(1)
    watched.pool.leave(backend.replica.id, "scaled down")
    assert watched.pool.lease() is None
    lease.answered(200, 1000)
    assert [change.after for change in watched.changes] == [Phase.READY, Phase.DRAINING, Phase.DRAINED]


def test_leaving_with_nothing_in_flight_is_done_at_once() -> None:
    watched = Watched(1)
    watched.pool.leave_all("composectl ends")
    assert [change.after for change in watched.changes] == [Phase.READY, Phase.DRAINING, Phase.DRAINED]


def test_a_draining_backend_is_deaf_to_good_news() -> None:
    watched = Watched(1)
    lease = leased(watched)
    watched.pool.leave(watched.backend(1).replica.id, "scaled down")
    watched.pool.observe([replica(1)])
    watched.pool.probed(watched.backend(1), None)
    assert watched.backend(1).phase is Phase.DRAINING
    lease.failed()


def test_who_rests_gets_nothing_and_finishes_what_it_has() -> None:
    watched = Watched(2)
    lease = leased(watched)
    resting, other = lease.backend, leased(watched).backend
    watched.pool.rest(resting.replica.id, "drained by hand")
    assert {leased(watched).backend for _ in range(5)} == {other}
    lease.answered(200, 1000)
    assert (resting.phase, resting.in_flight) == (Phase.RESTING, 0)


def test_who_rests_is_deaf_to_good_news_and_is_not_probed() -> None:
    watched = Watched(2)
    watched.pool.rest(replica(1).id, "drained by hand")
    watched.pool.observe([replica(1, Report.DOWN), replica(2)])
    watched.pool.observe([replica(1), replica(2)])
    watched.pool.probed(watched.backend(1), None)
    assert watched.backend(1).phase is Phase.RESTING
    assert watched.pool.to_probe(ready=True) == [watched.backend(2)]


def test_the_last_one_may_rest_and_return() -> None:
    watched = Watched(1)
    watched.pool.rest(replica(1).id, "drained by hand")
    assert watched.pool.lease() is None
    watched.pool.come_back(replica(1).id, "undrained by hand")
    assert leased(watched).backend is watched.backend(1)
    assert [change.after for change in watched.changes[1:]] == [Phase.RESTING, Phase.STARTING, Phase.READY]


@pytest.mark.parametrize("report", [Report.SILENT, Report.DOWN])
def test_who_returns_gets_requests_once_it_is_well(report: Report) -> None:
    watched = Watched(1)
    watched.pool.rest(replica(1).id, "drained by hand")
    watched.pool.observe([replica(1, report)])
    watched.pool.come_back(replica(1).id, "undrained by hand")
    assert watched.backend(1).phase is Phase.STARTING
    assert bool(watched.pool.to_probe()) == (report is Report.SILENT)
    watched.pool.observe([replica(1, Report.UP)])
    assert watched.backend(1).phase is Phase.READY


def test_who_was_told_to_leave_neither_rests_nor_returns() -> None:
    watched = Watched(1)
    lease = leased(watched)
    watched.pool.rest(replica(1).id, "drained by hand")
    watched.pool.leave(replica(1).id, "its container is told to stop")
    watched.pool.come_back(replica(1).id, "undrained by hand")
    watched.pool.rest(replica(1).id, "drained by hand")
    assert watched.backend(1).phase is Phase.DRAINING
    lease.answered(200, 1000)
    watched.pool.come_back(replica(1).id, "undrained by hand")
    assert watched.backend(1).phase is Phase.DRAINED


def test_a_restarted_container_does_not_rest() -> None:
    watched = Watched(1)
    watched.pool.rest(replica(1).id, "drained by hand")
    watched.pool.observe([replica(1, run="2")])
    assert watched.backend(1).phase is Phase.READY


def test_a_lease_ends_once() -> None:
    lease = leased(Watched(1))
    lease.abandoned()
    with pytest.raises(RuntimeError, match="has ended already"):
        lease.failed()


def test_counts_of_backends_that_are_gone_stay_in_the_sums() -> None:
    watched = Watched(2)
    early, late = leased(watched), leased(watched)
    early.answered(200, 1000)
    watched.pool.observe([])
    late.answered(503, 1000)
    assert watched.pool.requests == 2
    assert watched.pool.tally().responses == [0, 0, 1, 0, 0, 1]
    assert watched.pool.tally().in_flight == 0


def test_a_request_that_moved_counts_once_and_one_that_nobody_took_counts_too() -> None:
    watched = Watched(2)
    first = leased(watched)
    second = watched.pool.lease_again((first.backend,), connected=True)
    assert second is not None
    first.moved()
    second.answered(200, 1000)
    watched.pool.unserved += 1
    assert watched.pool.requests == 2
    assert watched.pool.tally().retried == 1


def test_backends_stand_in_the_order_of_their_numbers() -> None:
    watched = Watched()
    watched.pool.observe(replica(number) for number in (10, 2, 1))
    assert [one.replica.number for one in watched.pool.backends] == [1, 2, 10]


class Histories(RuleBasedStateMachine):
    """Anything may happen to a pool, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = Watched()
        self.pool = self.watched.pool
        self.leases: list[Lease] = []
        self.given = 0
        self.requests_before = 0

    @rule(there=st.dictionaries(st.integers(1, 5), st.tuples(st.sampled_from(Report), st.sampled_from("12"))))
    def observe(self, there: dict[int, tuple[Report, str]]) -> None:
        self.pool.observe(replica(number, report, run) for number, (report, run) in there.items())

    @rule(number=st.integers(1, 5))
    def leave(self, number: int) -> None:
        self.pool.leave(replica(number).id, "told to")

    @rule(number=st.integers(1, 5))
    def rest(self, number: int) -> None:
        self.pool.rest(replica(number).id, "told to")

    @rule(number=st.integers(1, 5))
    def come_back(self, number: int) -> None:
        self.pool.come_back(replica(number).id, "told to")

    @precondition(lambda self: self.pool.backends)
    @rule(index=st.integers(0, 99), error=st.sampled_from([None, "refused"]))
    def probe(self, index: int, error: str | None) -> None:
        backends = self.pool.backends
        self.pool.probed(backends[index % len(backends)], error)

    @precondition(lambda self: self.pool.backends)
    @rule(index=st.integers(0, 99), error=st.sampled_from(["", "refused"]))
    def connect(self, index: int, error: str) -> None:
        ready, backend = self.pool.ready, self.pool.backends[index % len(self.pool.backends)]
        if error:
            self.pool.refused(backend, error)
        else:
            self.pool.reached(backend)
        assert self.pool.ready >= min(ready, 1)

    @rule(seconds=st.floats(-5.0, 70.0))
    def wait(self, seconds: float) -> None:
        self.watched.now += seconds

    @rule()
    def lease(self) -> None:
        lease = self.pool.lease()
        assert (lease is None) == (self.pool.ready == 0)
        if lease is not None:
            assert lease.backend.phase is Phase.READY
            self.leases.append(lease)
            self.given += 1

    @precondition(lambda self: self.leases)
    @rule(index=st.integers(0, 99), connected=st.booleans())
    def move(self, index: int, connected: bool) -> None:
        lease = self.leases.pop(index % len(self.leases))
        again = self.pool.lease_again((lease.backend,), connected=connected)
        if again is None:
            assert connected or self.ready <= {lease.backend}
            lease.failed()
        else:
            assert again.backend.phase is Phase.READY
            assert again.backend is not lease.backend
            lease.moved()
            self.leases.append(again)

    @precondition(lambda self: self.leases)
    @rule(index=st.integers(0, 99), end=st.sampled_from(["answered", "failed", "abandoned", "switched"]))
    def end(self, index: int, end: str) -> None:
        lease = self.leases.pop(index % len(self.leases))
        if end == "answered":
            lease.answered(200, 1000)
        else:
            getattr(lease, end)()

    @property
    def ready(self) -> set[Backend]:
        return {one for one in self.pool.backends if one.phase is Phase.READY}

    @invariant()
    def nobody_who_is_well_is_probed_and_nobody_is_forgotten(self) -> None:
        probed = self.pool.to_probe()
        assert all(one.phase in (Phase.STARTING, Phase.FAILING) for one in probed)
        self.watched.now += 60
        waiting = {one for one in self.pool.backends if one.phase in (Phase.STARTING, Phase.FAILING)}
        assert set(self.pool.to_probe()) == {one for one in waiting if one.replica.report is not Report.DOWN}
        self.watched.now -= 60

    @invariant()
    def what_is_counted_is_so(self) -> None:
        assert self.pool.ready == len(self.ready)
        assert self.pool.tally().in_flight == len(self.leases)
        assert self.pool.requests == self.given

    @invariant()
    def nobody_drained_has_anything_in_flight(self) -> None:
        assert not any(one.in_flight for one in self.pool.backends if one.phase is Phase.DRAINED)

    @invariant()
    def every_change_is_in_the_table(self) -> None:
        for change in self.watched.changes:
            assert change.after in {after(change.before, signal) for signal in PhaseSignal}


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
