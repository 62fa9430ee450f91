"""The requests of one client stay with one backend."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from composectl.balance.backend import Backend, ContainerHealth
from composectl.balance.lease import Lease
from composectl.balance.policy import LeastRequest, Policy, PowerOfTwoChoices, RoundRobin, Source
from composectl.balance.sessions import HashedSessions, Sessions, TokenSessions
from tests.support.factories import RecordedPool, replica

KEY = b"k" * 32
OTHER_KEY = b"o" * 32
KEPT = 30
NAMES = [f"visitor {number}".encode() for number in range(1000)]
POLICIES = (LeastRequest, RoundRobin, PowerOfTwoChoices, Source)


def with_tokens(count: int, policy: type[Policy] = LeastRequest, key: bytes = KEY) -> RecordedPool:
    return RecordedPool(count, policy, TokenSessions(key, KEPT))


def with_hashes(count: int, key: bytes = KEY) -> RecordedPool:
    return RecordedPool(count, sessions=HashedSessions(key, KEPT))


def sessions_of(watched: RecordedPool) -> Sessions:
    assert watched.pool.leases.sessions is not None
    return watched.pool.leases.sessions


def answered(watched: RecordedPool, session: bytes, avoid: Sequence[Backend] = ()) -> tuple[Backend, bytes]:
    """The backend that answers a request of the session, and what the client sends with the next one."""
    lease = watched.pool.leases.acquire(avoid, "10.1.1.1", session)
    assert lease is not None
    token = sessions_of(watched).token_for(session, lease.backend)
    lease.answered(200, 1)
    return lease.backend, token or session


def keeps_on(watched: RecordedPool, count: int) -> set[int]:
    """Which of the replicas up to this number run on."""
    watched.pool.sync(replica(number) for number in range(1, count + 1))
    return {backend.replica.number for backend in watched.pool.backends}


# With tokens


@pytest.mark.parametrize("policy", POLICIES)
def test_a_session_stays_while_its_backend_is_ready(policy: type[Policy]) -> None:
    watched = with_tokens(5, policy)
    backend, token = answered(watched, b"")
    keeps_on(watched, 9)
    assert [answered(watched, token) for _ in range(20)] == [(backend, token)] * 20
    assert sessions_of(watched).moved == 0


def test_of_a_thousand_sessions_over_ten_backends_a_tenth_moves_when_one_leaves() -> None:
    watched = with_tokens(10)
    before = [answered(watched, b"") for _ in NAMES]
    random.Random(1).shuffle(before)
    keeps_on(watched, 9)
    after = [answered(watched, token) for _, token in before]
    moved = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert {backend.replica.number for (backend, _), _ in moved} == {10}
    assert len(moved) == sessions_of(watched).moved == 100
    assert max(Counter(backend.replica.number for backend, _ in after).values()) <= 120


@pytest.mark.parametrize("policy", [LeastRequest, RoundRobin])
def test_the_policy_places_new_sessions_beside_those_that_stay(policy: type[Policy]) -> None:
    watched = with_tokens(4, policy)
    placed = Counter(answered(watched, b"")[0].replica.number for _ in range(400))
    assert placed == Counter({1: 100, 2: 100, 3: 100, 4: 100})


def test_requests_of_sessions_count_as_load() -> None:
    watched = with_tokens(2)
    busy, token = answered(watched, b"")
    held = [watched.pool.leases.acquire((), "", token) for _ in range(3)]
    assert busy.in_flight == 3
    placed = {lease.backend for _ in range(3) if (lease := watched.pool.leases.acquire())}
    assert busy not in placed
    assert all(isinstance(lease, Lease) for lease in held)


@pytest.mark.parametrize(
    "token", [b"x", b"0" * 32, b"\xff" * 32, b"g" * 32, b"0" * 31, b"0" * 4000], ids=lambda token: str(token[:2])
)
def test_a_token_that_was_made_up_is_that_of_a_new_session(token: bytes) -> None:
    watched = with_tokens(3)
    _, given = answered(watched, token)
    assert given != token
    assert len(given) == 32
    assert sessions_of(watched).moved == 0


def test_a_token_of_another_service_is_that_of_a_new_session() -> None:
    _, foreign = answered(with_tokens(3, key=OTHER_KEY), b"")
    watched = with_tokens(3)
    assert answered(watched, foreign)[1] != foreign
    assert sessions_of(watched).moved == 0


def test_a_restart_of_composectl_keeps_sessions() -> None:
    before = [answered(with_tokens(10), b"") for _ in range(3)]
    again = with_tokens(10)
    assert [answered(again, token)[0].replica for _, token in before] == [backend.replica for backend, _ in before]


def test_a_restart_of_composectl_counts_sessions_whose_backend_went_meanwhile() -> None:
    _, token = answered(with_tokens(1), b"")
    again = with_tokens(0)
    again.pool.sync([replica(2)])
    answered(again, token)
    assert sessions_of(again).moved == 1


def test_a_restarted_container_is_another_backend() -> None:
    watched = with_tokens(1)
    _, token = answered(watched, b"")
    watched.pool.sync([replica(1, run="2")])
    assert answered(watched, token)[1] != token
    assert sessions_of(watched).moved == 1


def test_a_token_tells_nothing_of_its_backend() -> None:
    watched = with_tokens(1)
    backend, token = answered(watched, b"")
    for part in (backend.replica.name, backend.replica.host, backend.replica.id):
        assert part.encode() not in token
        assert part.encode() not in bytes.fromhex(token.decode())


def test_a_session_whose_backend_fails_moves() -> None:
    watched = with_tokens(2)
    backend, token = answered(watched, b"")
    other, moved = answered(watched, token, [backend])
    assert other is not backend
    assert answered(watched, moved) == (other, moved)
    assert sessions_of(watched).moved == 1


def test_an_ejected_backend_gets_no_session_back() -> None:
    watched = with_tokens(2)
    backend, token = answered(watched, b"")
    watched.eject(backend.replica.number)
    other, moved = answered(watched, token)
    watched.pool.checked(backend, None)
    assert answered(watched, moved) == (other, moved)


def test_a_session_beats_the_share_of_the_canary() -> None:
    watched = with_tokens(2)
    canary = watched.backend(2)
    watched.pool.leases.begin_canary([watched.backend(1).replica.id], 0.01)
    token = sessions_of(watched).token_for(b"", canary)
    assert {answered(watched, token)[0] for _ in range(50)} == {canary}


def test_a_backend_that_leaves_gives_no_token() -> None:
    watched = with_tokens(1)
    backend = watched.backend(1)
    watched.pool.drain(backend.replica.id, "scaled down")
    assert sessions_of(watched).token_for(b"", backend) == b""


# In maintenance


@pytest.mark.parametrize("make", [with_tokens, with_hashes])
def test_a_backend_in_maintenance_keeps_its_sessions_for_the_drain_timeout(make: type[RecordedPool]) -> None:
    watched = make(2)
    backend, token = answered(watched, b"one")
    watched.pool.disable(backend.replica.id, "drained by hand")
    for _ in range(KEPT - 1):
        sessions_of(watched).sweep()
    assert answered(watched, token) == (backend, token)
    assert watched.pool.leases.acquire() is not None
    sessions_of(watched).sweep()
    assert answered(watched, token)[0] is not backend
    assert sessions_of(watched).moved == 1


def test_a_backend_in_maintenance_gets_no_new_session() -> None:
    watched = with_tokens(2)
    backend, _ = answered(watched, b"")
    watched.pool.disable(backend.replica.id, "drained by hand")
    assert backend not in {answered(watched, b"")[0] for _ in range(10)}


def test_a_backend_that_comes_back_from_maintenance_has_its_sessions_all_the_time() -> None:
    watched = with_tokens(2)
    backend, token = answered(watched, b"")
    watched.pool.disable(backend.replica.id, "drained by hand")
    watched.pool.enable(backend.replica.id, "undrained by hand")
    assert answered(watched, token) == (backend, token)
    watched.pool.checked(backend, None)
    for _ in range(KEPT + 1):
        sessions_of(watched).sweep()
    assert answered(watched, token) == (backend, token)


def test_a_backend_that_is_unhealthy_after_maintenance_keeps_none() -> None:
    watched = with_tokens(2)
    backend, token = answered(watched, b"")
    watched.pool.disable(backend.replica.id, "drained by hand")
    watched.pool.enable(backend.replica.id, "undrained by hand")
    watched.pool.sync([replica(1, ContainerHealth.UNHEALTHY), replica(2, ContainerHealth.UNHEALTHY)])
    assert sessions_of(watched).find(token) in (None, backend)
    watched.pool.drain(backend.replica.id, "scaled down")
    assert sessions_of(watched).find(token) is None


def test_where_the_only_backend_is_in_maintenance_its_sessions_need_not_wait() -> None:
    watched = with_tokens(1)
    backend, token = answered(watched, b"")
    watched.pool.disable(backend.replica.id, "drained by hand")
    leases = watched.pool.leases
    assert leases.acquire() is None
    kept = leases.acquire_kept(token)
    assert kept is not None
    assert kept.backend is backend
    assert leases.acquire_kept(b"") is None
    assert leases.acquire_kept(b"0" * 32) is None


def test_a_ready_backend_is_not_kept() -> None:
    watched = with_tokens(1)
    _, token = answered(watched, b"")
    assert watched.pool.leases.acquire_kept(token) is None


# By hashes


def test_a_session_has_the_same_backend_in_each_process() -> None:
    first, second = with_hashes(10), with_hashes(10)
    assert [answered(first, name)[0].replica for name in NAMES] == [answered(second, name)[0].replica for name in NAMES]


def test_of_a_thousand_hashed_sessions_those_of_the_backend_that_leaves_move() -> None:
    watched = with_hashes(10)
    before = {name: answered(watched, name)[0] for name in NAMES}
    keeps_on(watched, 9)
    after = {name: answered(watched, name)[0] for name in NAMES}
    moved = [name for name in NAMES if before[name] is not after[name]]
    assert {before[name].replica.number for name in moved} == {10}
    assert 80 <= len(moved) <= 120
    assert sessions_of(watched).moved == len(moved)


def test_a_backend_that_comes_takes_its_part_from_all_others_alike() -> None:
    watched = with_hashes(9)
    before = {name: answered(watched, name)[0] for name in NAMES}
    keeps_on(watched, 10)
    after = {name: answered(watched, name)[0] for name in NAMES}
    moved = [name for name in NAMES if before[name] is not after[name]]
    assert {after[name].replica.number for name in moved} == {10}
    assert {before[name].replica.number for name in moved} == set(range(1, 10))
    assert 80 <= len(moved) <= 120


def test_hashed_sessions_are_spread_over_all_backends() -> None:
    watched = with_hashes(10)
    placed = Counter(answered(watched, name)[0] for name in NAMES)
    assert len(placed) == 10
    assert max(placed.values()) < 2 * min(placed.values())


def test_without_the_key_it_cannot_be_known_which_backend_a_session_has() -> None:
    ours, theirs = with_hashes(10), with_hashes(10, OTHER_KEY)
    same = [name for name in NAMES if answered(ours, name)[0].replica == answered(theirs, name)[0].replica]
    assert len(same) < 200


def test_a_retry_of_a_hashed_session_goes_where_the_session_would_move() -> None:
    watched = with_hashes(5)
    backend, _ = answered(watched, b"one")
    other, _ = answered(watched, b"one", [backend])
    assert answered(watched, b"one")[0] is backend
    watched.eject(backend.replica.number)
    assert answered(watched, b"one")[0] is other


def test_a_name_of_any_length_has_a_backend() -> None:
    watched = with_hashes(5)
    backend, _ = answered(watched, b"x" * 30_000)
    assert answered(watched, b"x" * 30_000)[0] is backend


def test_a_restarted_replica_gets_its_hashed_sessions_back() -> None:
    watched = with_hashes(5)
    before = {name: answered(watched, name)[0].replica.number for name in NAMES}
    watched.pool.sync(replica(number, run="2") for number in range(1, 6))
    assert {name: answered(watched, name)[0].replica.number for name in NAMES} == before


def test_a_session_stays_at_the_backend_that_made_it() -> None:
    watched = with_hashes(5)
    hashed = watched.pool.leases.sessions
    assert isinstance(hashed, HashedSessions)
    for number, name in enumerate(NAMES[:50]):
        hashed.made(name, watched.backend(1 + number % 5))
    keeps_on(watched, 9)
    assert [answered(watched, name)[0].replica.number for name in NAMES[:50]] == [1 + n % 5 for n in range(50)]
    assert hashed.moved == 0
    keeps_on(watched, 4)
    after = [answered(watched, name)[0].replica.number for name in NAMES[:50]]
    assert [after[n] for n in range(50) if n % 5 < 4] == [1 + n % 5 for n in range(50) if n % 5 < 4]
    assert hashed.moved == 10


def test_more_sessions_than_are_remembered_are_placed_all_the_same() -> None:
    watched = with_hashes(3)
    names = [b"%d" % number for number in range(20_000)]
    before = [sessions_of(watched).find(name) for name in names]
    assert [sessions_of(watched).find(name) for name in names] == before
