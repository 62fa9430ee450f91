"""Which replicas leave and how many are added."""

from hypothesis import given
from hypothesis.strategies import integers, sets

from composectl.balance.phase import Phase
from composectl.balance.plan import next_fixed_step, next_rollout_step, plan_scale
from tests.support.examples import examples
from tests.support.factories import RecordedPool, replica


def leaving(watched: RecordedPool, desired: int) -> list[int]:
    return [backend.replica.number for backend in plan_scale(watched.pool.backends, desired).remove]


def test_the_highest_numbers_leave_first() -> None:
    assert leaving(RecordedPool(10), 7) == [10, 9, 8]


def test_those_that_are_not_ready_leave_before_all_others() -> None:
    watched = RecordedPool(4)
    watched.eject(2)
    assert leaving(watched, 2) == [2, 4]


def test_those_on_their_way_out_do_not_count() -> None:
    watched = RecordedPool(3)
    watched.pool.drain(watched.backend(3).replica.id, "told to stop")
    assert plan_scale(watched.pool.backends, 3).add == 1
    assert leaving(watched, 2) == []


def test_a_replica_in_maintenance_counts_and_leaves_first() -> None:
    watched = RecordedPool(3)
    watched.pool.disable(watched.backend(1).replica.id, "drained by hand")
    assert plan_scale(watched.pool.backends, 3).add == 0
    assert leaving(watched, 2) == [1]


def test_what_is_missing_is_added() -> None:
    plan = plan_scale(RecordedPool(2).pool.backends, 10)
    assert (plan.remove, plan.add) == ((), 8)


def test_all_may_leave() -> None:
    assert leaving(RecordedPool(2), 0) == [2, 1]


def test_those_that_started_first_may_leave_first() -> None:
    pool = RecordedPool().pool
    pool.sync(replica(number, run=f"2026-01-0{5 - number}") for number in (1, 2, 3))
    plan = plan_scale(pool.backends, 1, oldest_first=True)
    assert [backend.replica.number for backend in plan.remove] == [3, 2]


# Rolling out


def old(*numbers: int) -> set[str]:
    return {replica(number).id for number in numbers}


def step(watched: RecordedPool, leaving: set[str], desired: int, parallel: int = 1) -> tuple[int, list[int]] | None:
    following = next_rollout_step(watched.pool.backends, leaving, desired, parallel)
    return following and (following.add, [backend.replica.number for backend in following.remove])


def test_a_new_one_comes_before_the_lowest_old_one_goes() -> None:
    assert step(RecordedPool(3), old(1, 2, 3), 3) == (1, [1])
    assert step(RecordedPool(4), old(2, 3), 3) == (0, [2])


def test_as_many_at_once_as_asked_but_no_more_than_desired() -> None:
    assert step(RecordedPool(3), old(1, 2, 3), 3, parallel=2) == (2, [1, 2])
    assert step(RecordedPool(3), old(1, 2, 3), 3, parallel=9) == (3, [1, 2, 3])


def test_what_is_missing_is_added_too() -> None:
    assert step(RecordedPool(2), old(1, 2), 4) == (3, [1])


def test_old_ones_that_are_not_ready_go_first() -> None:
    watched = RecordedPool(3)
    watched.eject(3)
    assert step(watched, old(1, 2, 3), 3) == (1, [3])


def test_old_ones_that_are_on_their_way_out_go_at_once() -> None:
    watched = RecordedPool(3)
    watched.pool.drain(watched.backend(2).replica.id, "drained by hand")
    assert step(watched, old(1, 2, 3), 3) == (0, [2])


def test_it_is_over_when_no_old_one_is_left() -> None:
    assert step(RecordedPool(3), old(7), 3) is None
    assert step(RecordedPool(0), set(), 3) is None


def test_no_old_one_goes_for_a_new_one_that_is_not_ready() -> None:
    watched = RecordedPool(3)
    watched.eject(3)
    assert step(watched, old(1, 2), 2) == (0, [])


@examples(100)
@given(
    count=integers(0, 6),
    desired=integers(0, 6),
    parallel=integers(1, 4),
    ill=sets(integers(1, 6)),
    fails=sets(integers(7, 12)),
)
def test_never_fewer_ready_and_never_more_than_desired(
    count: int, desired: int, parallel: int, ill: set[int], fails: set[int]
) -> None:
    watched = RecordedPool(count)
    for number in ill & set(range(2, count + 1)):
        watched.eject(number)
    leaving = old(*range(1, count + 1))
    most = max(count, desired + parallel)
    highest = 6
    while following := next_rollout_step(watched.pool.backends, leaving, desired, parallel):
        if not (following.add or following.remove):
            break
        added = [replica(highest + offset) for offset in range(1, following.add + 1)]
        highest += following.add
        watched.pool.sync([*(backend.replica for backend in watched.pool.backends), *added])
        assert len(watched.pool.backends) <= most
        ready = watched.pool.ready
        gone = {backend.replica.id for backend in following.remove}
        watched.pool.sync([backend.replica for backend in watched.pool.backends if backend.replica.id not in gone])
        assert watched.pool.ready >= min(ready, desired)
        for new in added:
            if new.number in fails and watched.pool.ready > 1:
                watched.eject(new.number)
    left = {backend.replica.id for backend in watched.pool.backends}
    if following:
        assert any(
            backend.phase is not Phase.READY and backend.replica.id not in leaving for backend in watched.pool.backends
        )
    else:
        assert not leaving & left
        assert len(left) == (desired if count else 0)


@given(integers(1, 8), integers(1, 8), integers(0, 10), sets(integers(1, 8)))
def test_a_fixed_rollout_replaces_all_in_few_steps_whether_or_not_they_serve(
    count: int, parallel: int, desired: int, ejected: set[int]
) -> None:
    """At most `parallel` leave in a step, and never more than `desired` are there, where those are not there before."""
    watched = RecordedPool(count)
    for number in sorted(ejected & set(range(1, count + 1)))[: count - 1]:
        watched.eject(number)
    going = {backend.replica.id for backend in watched.pool.backends}
    present, steps = {backend.replica.id: backend.replica for backend in watched.pool.backends}, 0
    while step := next_fixed_step(watched.pool.backends, going, desired, parallel):
        steps += 1
        assert 1 <= len(step.remove) <= parallel
        for backend in step.remove:
            del present[backend.replica.id]
        for added in range(step.add):
            new = replica(100 * steps + added)
            present[new.id] = new
        assert len(present) <= max(desired, count)
        watched.pool.sync(present.values())
    assert not going & present.keys()
    assert len(present) == desired
    assert steps == -(-count // parallel)
