"""What is true of every policy."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from composectl.balance.backend import Backend
from tests.support.examples import examples
from tests.support.policies import ALL_POLICIES
from tests.support.policy_driver import acquire, backend, filled, release

NUMBERS = st.integers(0, 5)
SETTINGS = settings(examples(50), stateful_step_count=30)


@pytest.mark.parametrize("name", sorted(ALL_POLICIES))
def test_nothing_is_picked_where_there_is_nothing(name: str) -> None:
    policy = ALL_POLICIES[name]()
    assert policy.acquire() is None
    backends = filled(policy, 2)
    for member in backends:
        policy.remove(member)
    assert policy.acquire() is None


@pytest.mark.parametrize("name", sorted(ALL_POLICIES))
def test_a_backend_to_avoid_is_avoided(name: str) -> None:
    policy = ALL_POLICIES[name]()
    backends = filled(policy, 3)
    for _ in range(20):
        assert acquire(policy, backends[:2]) is backends[2]
    assert policy.acquire(backends) is None


@pytest.mark.parametrize("name", sorted(ALL_POLICIES))
def test_only_what_is_ready_and_not_avoided_is_picked(name: str) -> None:
    run_state_machine_as_test(lambda: Histories(name), settings=SETTINGS)


class Histories(RuleBasedStateMachine):
    """Backends come, go, and come back with requests in flight; requests begin and end, in any order."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.policy = ALL_POLICIES[name]()
        self.backends = [backend(number) for number in range(6)]
        self.ready: set[Backend] = set()
        self.in_flight: list[Backend] = []

    @rule(number=NUMBERS)
    def come_or_go(self, number: int) -> None:
        member = self.backends[number]
        (self.policy.remove if member in self.ready else self.policy.add)(member)
        self.ready ^= {member}

    @rule(avoided=st.sets(NUMBERS, max_size=4), client=st.ip_addresses())
    def begin(self, avoided: set[int], client: object) -> None:
        avoid = [self.backends[number] for number in avoided]
        allowed = self.ready - set(avoid)
        picked = self.policy.acquire(avoid, str(client))
        if picked is None:
            assert not allowed
            return
        assert picked in allowed
        assert self.name != "least-request" or picked.in_flight == min(member.in_flight for member in allowed)
        picked.in_flight += 1
        self.in_flight.append(picked)

    @precondition(lambda self: self.in_flight)
    @rule(index=st.integers(0, 99))
    def end(self, index: int) -> None:
        busy = self.in_flight.pop(index % len(self.in_flight))
        if busy in self.ready:
            release(self.policy, busy)
        else:
            busy.in_flight -= 1

    @invariant()
    def every_ready_backend_can_be_picked(self) -> None:
        for member in self.ready:
            picked = self.policy.acquire(self.ready - {member})
            assert picked is member
            member.in_flight += 1
            release(self.policy, member)
