"""Whichever backends are killed and started, and when: no request fails, and none waits while a backend accepts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.memory_service import ClockedLoop, MemoryService, run
from tests.support.messages import GET, post
from tests.support.policies import ALL_POLICIES

BACKENDS = 4
NUMBERS = st.integers(0, BACKENDS - 1)
STEPS = st.one_of(
    st.tuples(st.just("kill"), NUMBERS),
    st.tuples(st.just("kill all"), st.just(0)),
    st.tuples(st.just("start"), NUMBERS),
    st.tuples(st.just("get"), st.integers(0, 5)),
    st.tuples(st.just("post"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.integers(1, 70)),  # tenths of a second
)


@examples(300)
@given(st.integers(1, BACKENDS), st.sampled_from(sorted(ALL_POLICIES)), st.lists(STEPS, max_size=30))
def test_p4_d1_d6_no_request_fails_while_a_backend_accepts(
    backends: int, policy: str, steps: Sequence[tuple[str, int]]
) -> None:
    async def play(loop: ClockedLoop) -> None:
        async with MemoryService(loop, backends, ALL_POLICIES[policy]()) as service:
            for action, number in steps:
                await act(service, action, number % backends if action in ("kill", "start") else number)
                if service.running and action == "wait" and number >= 10:
                    assert not service.unanswered
            service.start(0)
            await service.wait(1)
            assert not service.unanswered
            assert service.statuses <= {b"200"}

    run(play)


@pytest.mark.parametrize("policy", ["least-request", "round-robin", "source"])
def test_d6_each_in_turn_is_away_half_of_the_time(policy: str) -> None:
    async def play(loop: ClockedLoop) -> None:
        async with MemoryService(loop, BACKENDS, ALL_POLICIES[policy]()) as service:
            for turn in range(40):
                service.kill(turn % BACKENDS)
                for tenth in range(20):
                    if tenth == 10:
                        service.start(turn % BACKENDS)
                    for client in range(8):
                        await service.ask(client, GET)
                    assert not service.unanswered
                    await service.wait(0.1)
                assert service.pool.ready == BACKENDS
            assert service.statuses == {b"200"}

    run(play)


async def act(service: MemoryService, action: str, number: int) -> None:
    if action == "kill":
        service.kill(number)
    elif action == "kill all":
        for each in range(BACKENDS):
            service.kill(each)
    elif action == "start":
        service.start(number)
    elif action == "wait":
        await service.wait(number / 10)
    else:
        await service.ask(number, GET if action == "get" else post(b"hello"))
