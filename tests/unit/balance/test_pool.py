"""Which backends there are, which are healthy, and which gets the next request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composectl.balance.backend import ContainerHealth
from composectl.balance.lease import Lease
from composectl.balance.phase import Phase
from tests.support.factories import RecordedPool, replica


def leased(watched: RecordedPool) -> Lease:
    lease = watched.pool.leases.acquire()
    assert lease is not None
    return lease


def test_replicas_without_a_health_check_are_ready_by_their_port() -> None:
    watched = RecordedPool()
    watched.pool.sync(
        [replica(1, ContainerHealth.HEALTHY), replica(2, ContainerHealth.NONE), replica(3, ContainerHealth.UNHEALTHY)]
    )
    assert [backend.phase for backend in watched.pool.backends] == [Phase.READY, Phase.STARTING, Phase.STARTING]
    watched.pool.checked(watched.backend(2), None)
    assert watched.backend(2).phase is Phase.READY


def test_a_port_that_accepts_does_not_outweigh_unhealthy() -> None:
    watched = RecordedPool()
    watched.pool.sync([replica(1, ContainerHealth.UNHEALTHY)])
    watched.pool.checked(watched.backend(1), None)
    assert watched.backend(1).phase is Phase.STARTING


def test_an_unhealthy_report_takes_even_the_last_one_out() -> None:
    watched = RecordedPool(1)
    watched.pool.sync([replica(1, ContainerHealth.UNHEALTHY)])
    assert watched.pool.leases.acquire() is None


def test_a_restarted_container_is_another_backend() -> None:
    watched = RecordedPool(1)
    before = watched.backend(1)
    watched.pool.sync([replica(1, run="2")])
    assert before.phase is Phase.GONE
    assert watched.backend(1) is not before


@pytest.mark.parametrize("place", [{"host": "10.0.0.9"}, {"endpoint": "another"}])
def test_h9_a_container_at_another_address_is_another_backend(place: dict[str, str]) -> None:
    watched = RecordedPool(1)
    before = watched.backend(1)
    watched.pool.sync([replace(replica(1), **place)])  # type: ignore[arg-type]
    assert before.phase is Phase.GONE
    assert watched.changes[-2].reason == "its container has another address"
    assert watched.backend(1).phase is Phase.READY


def test_h10_a_removed_backend_keeps_only_its_requests_in_flight() -> None:
    watched = RecordedPool(1)
    lease = leased(watched)
    watched.pool.remove(replica(1).key, "it left its network")
    watched.pool.remove(replica(2).key, "it is not known")
    assert watched.pool.leases.acquire() is None
    assert [change.reason for change in watched.changes] == ["healthy", "it left its network"]
    lease.answered(200, 1000)
    assert watched.pool.leases.counters().in_flight == 0


def test_leaving_waits_for_what_is_in_flight() -> None:
    watched = RecordedPool(1)
    lease, backend = leased(watched), watched.backend(1)
    watched.pool.drain(backend.replica.id, "scaled down")
    assert watched.pool.leases.acquire() is None
    lease.answered(200, 1000)
    assert [change.after for change in watched.changes] == [Phase.READY, Phase.DRAINING, Phase.DRAINED]


def test_leaving_with_nothing_in_flight_is_done_at_once() -> None:
    watched = RecordedPool(1)
    watched.pool.drain_all("composectl ends")
    assert [change.after for change in watched.changes] == [Phase.READY, Phase.DRAINING, Phase.DRAINED]


def test_a_draining_backend_is_deaf_to_good_news() -> None:
    watched = RecordedPool(1)
    lease = leased(watched)
    watched.pool.drain(watched.backend(1).replica.id, "scaled down")
    watched.pool.sync([replica(1)])
    watched.pool.checked(watched.backend(1), None)
    assert watched.backend(1).phase is Phase.DRAINING
    lease.failed("backend-hung-up")


def test_a_backend_in_maintenance_only_finishes_what_it_has() -> None:
    watched = RecordedPool(2)
    lease = leased(watched)
    disabled, other = lease.backend, leased(watched).backend
    watched.pool.disable(disabled.replica.id, "drained by hand")
    assert {leased(watched).backend for _ in range(5)} == {other}
    lease.answered(200, 1000)
    assert (disabled.phase, disabled.in_flight) == (Phase.MAINTENANCE, 0)


def test_a_backend_in_maintenance_stays_so_and_is_not_checked() -> None:
    watched = RecordedPool(2)
    watched.pool.disable(replica(1).id, "drained by hand")
    watched.pool.sync([replica(1, ContainerHealth.UNHEALTHY), replica(2)])
    watched.pool.sync([replica(1), replica(2)])
    watched.pool.checked(watched.backend(1), None)
    assert watched.backend(1).phase is Phase.MAINTENANCE
    assert watched.pool.due_for_check(ready=True) == [watched.backend(2)]


def test_the_last_one_may_rest_and_return() -> None:
    watched = RecordedPool(1)
    watched.pool.disable(replica(1).id, "drained by hand")
    assert watched.pool.leases.acquire() is None
    watched.pool.enable(replica(1).id, "undrained by hand")
    assert leased(watched).backend is watched.backend(1)
    assert [change.after for change in watched.changes[1:]] == [Phase.MAINTENANCE, Phase.STARTING, Phase.READY]


@pytest.mark.parametrize("report", [ContainerHealth.NONE, ContainerHealth.UNHEALTHY])
def test_an_undrained_backend_gets_requests_once_it_is_healthy(report: ContainerHealth) -> None:
    watched = RecordedPool(1)
    watched.pool.disable(replica(1).id, "drained by hand")
    watched.pool.sync([replica(1, report)])
    watched.pool.enable(replica(1).id, "undrained by hand")
    assert watched.backend(1).phase is Phase.STARTING
    assert bool(watched.pool.due_for_check()) == (report is ContainerHealth.NONE)
    watched.pool.sync([replica(1, ContainerHealth.HEALTHY)])
    assert watched.backend(1).phase is Phase.READY


def test_a_leaving_backend_enters_and_ends_no_maintenance() -> None:
    watched = RecordedPool(1)
    lease = leased(watched)
    watched.pool.disable(replica(1).id, "drained by hand")
    watched.pool.drain(replica(1).id, "its container is told to stop")
    watched.pool.enable(replica(1).id, "undrained by hand")
    watched.pool.disable(replica(1).id, "drained by hand")
    assert watched.backend(1).phase is Phase.DRAINING
    lease.answered(200, 1000)
    watched.pool.enable(replica(1).id, "undrained by hand")
    assert watched.backend(1).phase is Phase.DRAINED


def test_a_restarted_container_does_not_rest() -> None:
    watched = RecordedPool(1)
    watched.pool.disable(replica(1).id, "drained by hand")
    watched.pool.sync([replica(1, run="2")])
    assert watched.backend(1).phase is Phase.READY


def test_a_lease_ends_once() -> None:
    lease = leased(RecordedPool(1))
    lease.client_closed()
    with pytest.raises(RuntimeError, match="has ended already"):
        lease.failed("backend-hung-up")


def test_counts_of_backends_that_are_gone_stay_in_the_sums() -> None:
    watched = RecordedPool(2)
    early, late = leased(watched), leased(watched)
    early.answered(200, 1000)
    watched.pool.sync([])
    late.answered(503, 1000)
    assert watched.pool.leases.requests == 2
    assert watched.pool.leases.counters().responses == [0, 0, 1, 0, 0, 1]
    assert watched.pool.leases.counters().in_flight == 0


def test_a_request_that_moved_or_found_no_backend_counts_once() -> None:
    watched = RecordedPool(2)
    first = leased(watched)
    second = watched.pool.leases.acquire_retry((first.backend,), reached=True)
    assert second is not None
    first.retried("backend-hung-up")
    second.answered(200, 1000)
    watched.pool.leases.rejected += 1
    assert watched.pool.leases.requests == 2
    assert watched.pool.leases.counters().retried == 1


def test_backends_stand_in_the_order_of_their_numbers() -> None:
    watched = RecordedPool()
    watched.pool.sync(replica(number) for number in (10, 2, 1))
    assert [backend.replica.number for backend in watched.pool.backends] == [1, 2, 10]
