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


def test_the_last_ready_one_is_ejected_too_and_all_are_checked_at_once() -> None:
    watched = RecordedPool(2)
    flapping(watched, 1)
    watched.eject(2)
    assert watched.pool.ready == 0
    assert watched.pool.due_for_check() == watched.pool.backends


def test_an_ejection_ends_with_the_first_check_that_passes() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    for _ in range(100):
        assert back_off(watched, backend) == 0
        watched.pool.checked(backend, REFUSED)
    assert backend.phase is Phase.UNHEALTHY
    watched.pool.checked(backend, None)
    assert backend.phase is Phase.READY
    assert [change.reason for change in watched.changes[2:]] == [REFUSED, "its port accepts"]


def test_the_ejection_time_of_one_that_accepts_checks_alone_doubles_up_to_a_minute() -> None:
    watched = RecordedPool(2)
    waits = []
    for _ in range(9):
        backend = watched.eject(1)
        waits.append(back_off(watched, backend))
        watched.pool.checked(backend, None)
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("well_for", "expected"), [(0.0, 1), (4.5, 1), (5.0, 0)])
def test_one_ready_for_less_than_five_seconds_is_ejected_longer(well_for: float, expected: float) -> None:
    watched = RecordedPool(2)
    watched.pool.checked(watched.eject(1), None)
    watched.now += well_for
    assert back_off(watched, watched.eject(1)) == expected


def test_one_ready_long_enough_begins_at_nought_again() -> None:
    watched = RecordedPool(2)
    backend = flapping(watched, 1)
    back_off(watched, backend)
    watched.pool.checked(backend, None)
    watched.now += 5
    assert back_off(watched, watched.eject(1)) == 0


def test_refusals_from_before_it_came_back_count_no_more() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    watched.pool.leases.connection_refused(backend, REFUSED)  # it had been dialled before
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


def test_the_ejection_time_is_suspended_where_none_is_ready() -> None:
    watched = RecordedPool(2)
    backend = flapping(watched, 1)
    watched.pool.sync([replica(1)])
    assert watched.pool.due_for_check() == [backend]
    watched.pool.checked(backend, REFUSED)
    watched.pool.sync([replica(1), replica(2)])
    assert back_off(watched, backend) == 1  # as if it had not been asked


def test_a_clock_that_is_set_back_does_not_prolong_an_ejection() -> None:
    watched = RecordedPool(2)
    backend = flapping(watched, 1)
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


def test_failed_checks_take_the_last_one_out_only_where_it_does_not_accept() -> None:
    watched = RecordedPool(1)
    for _ in range(10):
        watched.pool.checked(watched.backend(1), "/ answered 503", accepts=True)
    assert watched.pool.ready == 1
    watched.pool.checked(watched.backend(1), REFUSED)
    assert watched.pool.ready == 0


def test_one_that_accepts_and_answers_badly_comes_back_from_an_ejection_where_none_is_ready() -> None:
    watched = RecordedPool(2)
    backend = watched.eject(1)
    watched.pool.checked(backend, "/ answered 503", accepts=True)
    assert backend.phase is Phase.UNHEALTHY
    watched.eject(2)
    watched.pool.checked(backend, "no answer in time")
    assert backend.phase is Phase.UNHEALTHY
    watched.pool.checked(backend, "/ answered 503", accepts=True)
    assert (backend.phase, watched.changes[-1].reason) == (Phase.READY, "/ answered 503, and no other is ready")


def test_one_that_answers_its_checks_badly_does_not_come_back_so() -> None:
    watched = RecordedPool(2)
    for _ in range(3):
        watched.pool.checked(watched.backend(1), "/ answered 503", accepts=True)
    watched.eject(2)
    watched.pool.checked(watched.backend(1), "/ answered 503", accepts=True)
    assert watched.pool.ready == 0


# Private


def flapping(watched: RecordedPool, number: int) -> Backend:
    """The backend, ejected for the second time within five seconds."""
    watched.pool.checked(watched.eject(number), None)
    return watched.eject(number)
