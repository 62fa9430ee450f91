"""Who leaves and how many come."""

from composectl.balance.plan import plan_scale
from tests.balance.made_up import Watched


def leaving(watched: Watched, wanted: int) -> list[int]:
    return [one.replica.number for one in plan_scale(watched.pool.backends, wanted).leaving]


def test_the_highest_numbers_leave_first() -> None:
    assert leaving(Watched(10), 7) == [10, 9, 8]


def test_those_that_are_not_ready_leave_before_all_others() -> None:
    watched = Watched(4)
    watched.eject(2)
    assert leaving(watched, 2) == [2, 4]


def test_those_on_their_way_out_do_not_count() -> None:
    watched = Watched(3)
    watched.pool.leave(watched.backend(3).replica.id, "told to stop")
    assert plan_scale(watched.pool.backends, 3).coming == 1
    assert leaving(watched, 2) == []


def test_who_rests_counts_and_leaves_first() -> None:
    watched = Watched(3)
    watched.pool.rest(watched.backend(1).replica.id, "drained by hand")
    assert plan_scale(watched.pool.backends, 3).coming == 0
    assert leaving(watched, 2) == [1]


def test_whoever_is_missing_comes() -> None:
    plan = plan_scale(Watched(2).pool.backends, 10)
    assert (plan.leaving, plan.coming) == ((), 8)


def test_all_may_leave() -> None:
    assert leaving(Watched(2), 0) == [2, 1]
