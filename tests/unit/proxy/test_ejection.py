"""A dead backend costs no client a request, and a broken service gets no storm of them."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Callable

import pytest

from composectl.balance.policy import LeastRequest, Policy, RoundRobin
from composectl.proxy.health_check import HealthCheck
from composectl.proxy.limits import QueueConfig
from tests.support.backends import Script, answers
from tests.support.messages import GET, OK, get, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async

OFTEN, RARELY = HealthCheck(interval=0.001), HealthCheck(interval=60.0)


async def ask_often(stage: ProxyFixture, times: int, request: bytes = GET) -> Counter[int]:
    """So many requests, one after the other, on one connection; how many got which status."""
    client = await stage.client()
    seen: Counter[int] = Counter()
    for _ in range(times):
        await client.send(request)
        head = await client.head()
        seen[status(head)] += 1
        await client.exactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]))
    return seen


async def ask_at_once(stage: ProxyFixture, clients: int, times: int, request: bytes = GET) -> Counter[int]:
    """So many requests of each of so many clients; how many got which status."""
    every = await asyncio.gather(*(ask_often(stage, times, request) for _ in range(clients)))
    return sum(every, Counter())


def answered(stage: ProxyFixture) -> list[int]:
    """The good answers of each backend."""
    return [backend.responses[2] for backend in stage.pool.backends]


@pytest.mark.parametrize("policy", [LeastRequest, RoundRobin])
async def test_d6_one_of_two_is_dead_and_no_client_notices(open_stage: OpenStage, policy: Callable[[], Policy]) -> None:
    stage = await open_stage(2, policy=policy)
    stage.backends[0].refuse()
    stage.backends[1].play(answers(OK))
    async with stage.checking(OFTEN):
        assert await ask_often(stage, 1000) == {200: 1000}
        assert answered(stage) == [0, 1000]
        assert stage.phases() == ["unhealthy", "ready"]
        assert stage.pool.leases.counters().retried == 2

        stage.backends[0].listen_again()
        stage.backends[0].play(answers(OK))
        await wait_until_async(lambda: stage.phases() == ["ready", "ready"])
        assert await ask_often(stage, 1000) == {200: 1000}
        dead, alive = answered(stage)
        assert abs(dead - (alive - 1000)) <= 50


@pytest.mark.parametrize("request_", [GET, post(b"hello")], ids=["get", "post"])
async def test_d6_the_only_ready_one_dies_and_one_that_was_ejected_takes_over(
    open_stage: OpenStage, request_: bytes
) -> None:
    stage = await open_stage(2, queue=QueueConfig())
    for backend in stage.backends:
        backend.play(answers(OK))
    await stage.backends[0].die()
    assert await ask_often(stage, 4, request_) == {200: 4}
    stage.backends[0].listen_again()
    stage.backends[0].play(answers(OK))
    await stage.backends[1].die()
    async with stage.checking(RARELY):  # nothing is found out but what is looked for at once
        assert stage.phases() == ["unhealthy", "ready"]
        assert await ask_often(stage, 10, request_) == {200: 10}
        assert stage.phases() == ["ready", "unhealthy"]


@pytest.mark.parametrize("backends", [1, 3])
async def test_d1_d6_all_are_away_and_come_back_and_no_client_notices(open_stage: OpenStage, backends: int) -> None:
    stage = await open_stage(backends, queue=QueueConfig())
    for backend in stage.backends:
        backend.play(answers(OK))
    async with stage.checking(OFTEN):
        asking = [asyncio.create_task(ask_often(stage, 100)) for _ in range(16)]
        for number in range(1, 4):
            await wait_until_async(lambda: sum(answered(stage)) >= 300 * number)  # noqa: B023
            await asyncio.gather(*(backend.die() for backend in stage.backends))
            await wait_until_async(lambda: stage.queue.queued == sum(not client.done() for client in asking))
            for backend in stage.backends:
                backend.listen_again()
                backend.play(answers(OK))
        assert sum(await asyncio.gather(*asking), Counter()) == {200: 1600}
    assert stage.pool.leases.counters().failed == 0


async def test_d6_a_request_is_refused_by_all_but_the_last(open_stage: OpenStage) -> None:
    stage = await open_stage(8)
    for backend in stage.backends[:7]:
        backend.refuse()
    stage.backends[7].play(answers(OK))
    assert await ask_often(stage, 2, post(b"hello")) == {200: 2}
    assert stage.pool.leases.counters().failed == 0


async def test_a_refused_retry_costs_no_budget(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    stage.backends[0].play(reset)
    stage.backends[2].play(answers(OK))
    for _ in range(20):
        stage.backends[1].refuse()
        assert await ask_often(stage, 1) == {200: 1}
        stage.pool.checked(stage.pool.backends[1], None)
    assert stage.pool.leases.counters().failed == 0


async def test_on_a_port_that_is_not_checked_no_backend_is_ejected(open_stage: OpenStage) -> None:
    stage = await open_stage(2, checked=False)
    for backend in stage.backends:
        backend.refuse()
    assert await ask_often(stage, 5) == {502: 5}
    assert stage.phases() == ["ready", "ready"]
    assert stage.pool.leases.counters().requests == 10


async def test_d6_nor_with_posts_from_many_clients(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    stage.backends[0].refuse()
    stage.backends[1].refuse()
    stage.backends[2].play(answers(OK))
    assert await ask_at_once(stage, 50, 10, post(b"hello")) == {200: 500}
    assert stage.phases() == ["unhealthy", "unhealthy", "ready"]


async def test_a_backend_that_is_killed_under_load_costs_no_request(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    for backend in stage.backends:
        backend.play(answers(OK))
    asking = asyncio.create_task(ask_at_once(stage, 16, 200))
    await wait_until_async(lambda: sum(answered(stage)) > 800)
    await stage.backends[0].die()
    assert await asking == {200: 3200}
    assert stage.phases() == ["unhealthy", "ready", "ready"]


async def test_d10_h5_requests_of_a_dead_backend_move_a_few_at_a_time(open_stage: OpenStage) -> None:
    stage = await open_stage(3, queue=QueueConfig())
    clients = [await stage.client() for _ in range(90)]
    for client in clients:
        await client.send(GET)
    doomed = [await stage.backends[0].accept() for _ in range(30)]
    for wire in doomed:
        await wire.head()
    for backend in stage.backends[1:]:
        for _ in range(30):
            await backend.accept()
        backend.play(answers(OK))
    for wire in doomed:
        wire.reset()
    await wait_until_async(lambda: sum(answered(stage)) == 30)
    assert (stage.queue.queued, stage.pool.leases.counters().retried, stage.pool.leases.counters().failed) == (0, 30, 0)


async def test_d10_f2_a_client_that_leaves_waits_for_no_retry(open_stage: OpenStage) -> None:
    stage = await open_stage(2, queue=QueueConfig())
    clients = [await stage.client() for _ in range(10)]
    for client in clients:
        await client.send(GET)
    for wire in [await stage.backends[0].accept() for _ in range(5)]:
        await wire.head()
        wire.reset()
    await wait_until_async(lambda: stage.queue.queued == 2)
    for client in clients:
        client.reset()
    await wait_until_async(lambda: stage.queue.queued == 0)
    assert stage.pool.leases.counters().failed == 0


async def reset(wire: RawConnection) -> None:
    await wire.head()
    wire.reset()


async def test_d10_retries_add_at_most_a_fifth_when_all_reset(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    for backend in stage.backends:
        backend.play(reset)
    assert await ask_at_once(stage, 50, 20) == {502: 1000}
    attempts = sum(len(backend.wires) for backend in stage.backends)
    assert 1000 < attempts <= 1200
    assert stage.pool.leases.requests == 1000
    assert stage.pool.leases.counters().requests == attempts


async def test_d10_so_it_is_where_requests_are_queued(open_stage: OpenStage) -> None:
    stage = await open_stage(3, queue=QueueConfig())
    for backend in stage.backends:
        backend.play(reset)
    assert await ask_at_once(stage, 50, 20) == {502: 1000}
    assert 1000 < sum(len(backend.wires) for backend in stage.backends) <= 1200
    assert stage.queue.queued == 0


async def test_d10_so_it_is_one_after_the_other(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    for backend in stage.backends:
        backend.play(reset)
    assert await ask_often(stage, 200) == {502: 200}
    assert sum(len(backend.wires) for backend in stage.backends) == 240


async def test_d10_when_all_refuse_they_are_not_asked_again_and_again(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    for backend in stage.backends:
        backend.refuse()
    got = await ask_at_once(stage, 50, 20)
    assert got.keys() == {502, 503}
    assert got.total() == 1000
    assert stage.pool.leases.counters().requests <= 200
    assert stage.phases() == ["unhealthy"] * 3


async def test_further_attempts_that_succeed_have_no_end(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    stage.backends[0].play(reset)
    stage.backends[1].play(answers(OK))
    assert await ask_often(stage, 200) == {200: 200}
    assert len(stage.backends[0].wires) == 200


async def test_d11_want_of_descriptors_counts_against_no_backend(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    stage.backends[0].play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    await client.until(b"ok")
    stage.seconds_pass(1)  # what is kept is not for a POST any more
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        for _ in range(3):
            await client.send(post(b"hello"))
            assert b"X-Composectl-Error: too-many-open-files\r\n" in await client.head()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert stage.phases() == ["ready", "ready"]


async def switches(wire: RawConnection) -> None:
    await wire.head()
    await wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    await wire.rest()


async def streams(wire: RawConnection) -> None:
    await wire.head()
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    await wire.rest()


@pytest.mark.parametrize(
    ("script", "request_", "expected"),
    [(switches, get("/", "Connection: Upgrade", "Upgrade: echo"), 101), (streams, GET, 200)],
    ids=["tunnel", "stream"],
)
async def test_a_retry_that_began_to_answer_no_longer_counts(
    open_stage: OpenStage, script: Script, request_: bytes, expected: int
) -> None:
    stage = await open_stage(2)
    stage.backends[0].play(reset)
    stage.backends[1].play(script)
    for _ in range(10):
        client = await stage.client()
        await client.send(request_)
        assert status(await client.head()) == expected
        stage.seconds_pass(1)
    assert stage.pool.leases.counters().retried == 10
