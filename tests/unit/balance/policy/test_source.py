"""A client stays with its backend, and few move when backends come or go."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from composectl.balance.backend import Backend
from composectl.balance.policy import Source
from tests.support.policy_driver import SIZES, backend, filled

SEVERAL = [size for size in SIZES if size > 1]
# How far a share may be from the mean: parts of the ring differ by a ninth, counts of a hundred by a tenth.
APART = {1: 0.0, 2: 0.25, 3: 0.25, 10: 0.35, 100: 0.5, 1000: 0.6}


def addresses(count: int) -> list[str]:
    return [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(count)]


def homes(policy: Source, clients: list[str]) -> dict[str, Backend | None]:
    return {client: policy.acquire(key=client) for client in clients}


def moved(before: dict[str, Backend | None], after: dict[str, Backend | None]) -> list[str]:
    return [client for client, home in before.items() if after[client] is not home]


@pytest.mark.parametrize("size", SIZES)
def test_many_clients_are_spread_over_all(size: int) -> None:
    policy = Source()
    backends = filled(policy, size)
    shares = Counter(homes(policy, addresses(100 * size)).values())
    assert all(abs(shares[member] - 100) <= 100 * APART[size] for member in backends), shares


@pytest.mark.parametrize("size", SEVERAL)
def test_when_one_goes_only_its_own_clients_move(size: int) -> None:
    policy, clients = Source(), addresses(100 * size)
    backends = filled(policy, size)
    before = homes(policy, clients)
    gone = backends[size // 2]
    policy.remove(gone)
    after = homes(policy, clients)
    assert moved(before, after) == [client for client in clients if before[client] is gone]
    assert len(moved(before, after)) <= (1 + APART[size]) * len(clients) / size


@pytest.mark.parametrize("size", SEVERAL)
def test_when_one_comes_only_its_new_clients_move(size: int) -> None:
    policy, clients = Source(), addresses(100 * size)
    filled(policy, size - 1)
    before = homes(policy, clients)
    newcomer = backend(size)
    policy.add(newcomer)
    after = homes(policy, clients)
    assert {after[client] for client in moved(before, after)} == {newcomer}
    assert len(moved(before, after)) <= (1 + APART[size]) * len(clients) / size


def test_those_of_one_that_goes_are_shared_by_the_others() -> None:
    policy, clients = Source(), addresses(5000)
    gone, *others = filled(policy, 10)
    before = homes(policy, clients)
    policy.remove(gone)
    after = homes(policy, clients)
    takers = Counter(after[client] for client in moved(before, after))
    assert set(takers) == set(others)
    assert max(takers.values()) <= 0.25 * takers.total()


def test_a_backend_that_comes_back_gets_its_clients_again() -> None:
    policy, clients = Source(), addresses(1000)
    backends = filled(policy, 10)
    before = homes(policy, clients)
    policy.remove(backends[3])
    homes(policy, clients)
    policy.add(backends[3])
    assert homes(policy, clients) == before


def test_the_order_in_which_they_became_ready_does_not_matter() -> None:
    policy, other, clients = Source(), Source(), addresses(1000)
    backends = filled(policy, 10)
    for member in Random(1).sample(backends, 10):
        other.add(member)
    assert homes(policy, clients) == homes(other, clients)


def test_a_client_that_avoids_its_own_goes_to_the_next() -> None:
    policy, clients = Source(), addresses(1000)
    backends = filled(policy, 10)
    instead = {client: policy.acquire(backends[:1], client) for client in clients}
    policy.remove(backends[0])
    assert instead == homes(policy, clients)


def test_two_of_one_name_do_not_hide_each_other() -> None:
    policy = Source()
    first, second = backend(1), backend(1)
    policy.add(first)
    policy.add(second)
    assert policy.acquire((first,)) is second
    policy.remove(first)
    assert policy.acquire() is second
    policy.add(first)
    policy.remove(second)
    assert policy.acquire() is first


@pytest.mark.parametrize("client", ["", "unknown", "::1", "fe80::1%eth0"])
def test_any_address_will_do(client: str) -> None:
    policy = Source()
    filled(policy, 10)
    assert policy.acquire(key=client) is policy.acquire(key=client) is not None
