"""A policy in the hands of a test: filled, taken from and given back to, as a pool does it."""

from __future__ import annotations

from collections.abc import Sequence

from composectl.balance.backend import Backend
from composectl.balance.policy import Policy
from tests.support.factories import replica

SIZES = (1, 2, 3, 10, 100, 1000)


def backend(number: int) -> Backend:
    return Backend(replica(number), 0)


def filled(policy: Policy, size: int) -> list[Backend]:
    backends = [backend(number) for number in range(1, size + 1)]
    for added in backends:
        policy.add(added)
    return backends


def acquire(policy: Policy, avoid: Sequence[Backend] = (), client: str = "") -> Backend:
    taken = policy.acquire(avoid, client)
    assert taken is not None
    taken.in_flight += 1
    return taken


def release(policy: Policy, backend: Backend) -> None:
    backend.in_flight -= 1
    policy.release(backend)
