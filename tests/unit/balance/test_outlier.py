"""Backends that refuse connections, or fail their checks, are left out, and come back."""

from __future__ import annotations

import pytest

from composectl.balance.backend import Backend, ContainerHealth
from composectl.balance.phase import Phase
from tests.support.factories import RecordedPool, replica

REFUSED = "Connection refused"


def back_off(watched: RecordedPool, backend: Backend) -> float:
    """The seconds for which `backend` is left alone from now on."""
    began = watched.now
    while backend not in watched.pool.due_for_check():
        watched.now += 0.5
    return watched.now - began


def test_two_refused_connections_in_a_row_eject() -> None:
    watched = RecordedPool(2)
    backend = watched.backend(1)
    for _ in range(3):
        watched.pool.leases.connection_refused(backend, REFUSED)
        watched.pool.leases.connected(backend)
    assert backend.phase is Phase.READY
    watched.eject(1)
    assert watched.changes[-1].reason == REFUSED


def test_the_last_ready_one_stays_until_there_is_another() -> None:
    watched = RecordedPool(2)
    watched.eject(1)
    last = watched.backend(2)
    for _ in range(10):
        watched.pool.leases.connection_refused(last, REFUSED)
        watched.pool.checked(last, REFUSED)
    assert last.phase is Phase.READY
    watched.pool.sync([replica(1), replica(2), replica(3)])
    watched.pool.leases.connection_refused(last, REFUSED)
    assert last.phase is Phase.UNHEALTHY


def test_ejections_double_up_to_a_minute() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    waits = []
    for _ in range(7):
        waits.append(back_off(watched, backend))
        watched.pool.checked(backend, REFUSED)
        assert backend not in watched.pool.due_for_check()
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert len(watched.changes) == 3  # two came up, one went down, and nothing is told twice


def test_a_probe_brings_it_back() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    back_off(watched, backend)
    watched.pool.checked(backend, None)
    assert backend.phase is Phase.READY
    assert watched.changes[-1].reason == "its port accepts"


@pytest.mark.parametrize(("well_for", "expected"), [(0.0, 10), (59.0, 10), (60.0, 5)])
def test_one_ready_for_less_than_a_minute_is_ejected_longer(well_for: float, expected: float) -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    back_off(watched, backend)
    watched.pool.checked(backend, None)
    watched.now += well_for
    watched.eject(1)
    assert back_off(watched, backend) == expected


def test_refusals_from_before_it_came_back_count_no_more() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    watched.pool.leases.connection_refused(backend, REFUSED)  # it had been dialled before
    assert back_off(watched, backend) == 5
    watched.pool.checked(backend, None)
    watched.pool.leases.connection_refused(backend, REFUSED)
    assert backend.phase is Phase.READY


def test_only_news_from_docker_brings_it_back_at_once() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    watched.pool.sync([replica(1), replica(2)])
    assert backend.phase is Phase.UNHEALTHY
    watched.pool.sync([replica(1, ContainerHealth.UNHEALTHY), replica(2)])
    watched.pool.sync([replica(1, ContainerHealth.HEALTHY), replica(2)])
    assert backend.phase is Phase.READY


def test_ejection_is_suspended_where_none_is_ready() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    watched.pool.sync([replica(1)])
    assert watched.pool.due_for_check() == [backend]
    watched.pool.checked(backend, REFUSED)
    watched.pool.sync([replica(1), replica(2)])
    assert back_off(watched, backend) == 5  # as if it had not been asked


def test_a_clock_that_is_set_back_does_not_prolong_an_ejection() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    watched.now -= 3600
    assert watched.pool.due_for_check() == [backend]


def test_those_that_are_ready_are_probed_where_there_are_checks() -> None:
    watched = RecordedPool(2)
    watched.pool.sync([replica(1), replica(2), replica(3, ContainerHealth.NONE), replica(4, ContainerHealth.UNHEALTHY)])
    ready, other, silent, _ = watched.pool.backends
    assert watched.pool.due_for_check() == [silent]
    assert watched.pool.due_for_check(ready=True) == [ready, other, silent]


def test_three_failed_checks_eject_and_a_pass_brings_it_back() -> None:
    watched = RecordedPool(2)
    backend = watched.backend(1)
    for error in ("/ answered 500", "/ answered 500", None, "/ answered 500", "/ answered 500"):
        watched.pool.checked(backend, error)
        assert backend.phase is Phase.READY
    watched.pool.checked(backend, "/ answered 503")
    assert (backend.phase, watched.changes[-1].reason) == (Phase.UNHEALTHY, "/ answered 503")
    assert backend in watched.pool.due_for_check()
    watched.pool.checked(backend, "/ answered 503")
    assert backend in watched.pool.due_for_check()
    watched.pool.checked(backend, None, "/ answered 200")
    assert (backend.phase, watched.changes[-1].reason) == (Phase.READY, "/ answered 200")
    watched.pool.checked(backend, "/ answered 503")
    assert backend.phase is Phase.READY


def test_failed_checks_never_take_the_last_one_out() -> None:
    watched = RecordedPool(1)
    for _ in range(10):
        watched.pool.checked(watched.backend(1), "/ answered 503")
    assert watched.pool.ready == 1
