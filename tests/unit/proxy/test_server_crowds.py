"""Many clients at once, slow ones and dead ones among them, are no hindrance to each other."""

from __future__ import annotations

import asyncio
import gc

import pytest

from composectl.proxy.connection_pool import CONNECT_TIMEOUT
from composectl.proxy.sockets import raise_open_files
from tests.support.backends import answers
from tests.support.messages import GET, OK, get, ok, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, least_seconds
from tests.support.wait import wait_until_async, wait_until_still
from tests.unit.proxy.test_client_connection import a_client_behind_narrow_buffers, unsent_to_clients
from tests.unit.proxy.test_exchange import crowd


@pytest.fixture(autouse=True)
def _many_files() -> None:
    raise_open_files()


TRIES = 20


async def is_served_at_once(stage: ProxyFixture, within: float = 0.1) -> bool:
    """Whether the fastest of so many new clients is."""

    async def is_served() -> None:
        client = await stage.client()
        await client.send(get("/at-once"))
        assert status(await client.until(b"ok")) == 200

    return await least_seconds(is_served, TRIES) < within


@pytest.mark.parametrize("crowd_size", [150, 1000])
async def test_f4_slow_requests_all_reach_the_backends_at_once(open_stage: OpenStage, crowd_size: int) -> None:
    stage = await open_stage(4)
    all_are_there = asyncio.Event()
    heard = 0

    async def waits_for_all(wire: RawConnection) -> None:
        nonlocal heard
        await wire.head()
        heard += 1
        if heard == crowd_size:
            all_are_there.set()
        await all_are_there.wait()
        await wire.send(OK)

    for backend in stage.backends:
        backend.play(waits_for_all)
    clients = [await stage.client() for _ in range(crowd_size)]
    for client in clients:
        await client.send(GET)
    assert [status(await client.until(b"ok")) for client in clients] == [200] * crowd_size
    assert stage.pool.leases.counters().failed == 0


async def test_p9_f6_500_slow_heads_delay_no_client_and_are_refused(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    slow = [await stage.client() for _ in range(500)]
    for client in slow:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    await wait_until_async(lambda: stage.server.connection_limit.count == 500)
    for second in range(11):
        for client in slow[second::10]:
            await client.send(b"x")
        assert await is_served_at_once(stage)
        stage.seconds_pass(1)
    assert [status(await client.head()) for client in slow] == [408] * 500
    assert stage.pool.leases.requests == 11 * TRIES


async def test_f6_slow_bodies_delay_no_client(stage: ProxyFixture) -> None:
    backends = []
    for _ in range(200):
        client, backend = await stage.ask(post(b"x", 1000))
        await backend.until(b"x")
        backends.append((client, backend))
    stage.backend.play(answers(OK))
    for client, backend in backends[::20]:
        await client.send(b"y")
        assert await backend.exactly(1) == b"y"
        assert await is_served_at_once(stage)
        stage.seconds_pass(20)


async def test_f6_clients_that_do_not_read_delay_no_other(stage: ProxyFixture) -> None:
    stage.backend.play(answers(ok(b"x" * 1_000_000)))
    slow = [await a_client_behind_narrow_buffers(stage) for _ in range(50)]
    for client in slow:
        await client.send(GET)
    await wait_until_async(lambda: stage.pool.leases.counters().in_flight == 50)

    async def is_served() -> None:
        other = await stage.client()
        await other.send(GET)
        await other.head()
        await other.exactly(1_000_000)

    assert await least_seconds(is_served, 5) < 1
    assert unsent_to_clients(stage) < 50 * 1024 * 1024


async def test_p5_f7_1000_idle_clients_are_kept_and_delay_no_other(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    idle = [await stage.client() for _ in range(1000)]
    for client in idle:
        await client.send(GET)
        assert status(await client.until(b"ok")) == 200
    stage.seconds_pass(60)
    assert await is_served_at_once(stage)
    assert all(client.silent() for client in idle)
    stage.seconds_pass(16)
    assert [await client.rest() for client in idle] == [b""] * 1000


async def test_f9_a_load_of_all_kinds_of_requests_has_no_error(open_stage: OpenStage) -> None:
    stage = await open_stage(4)
    for backend in stage.backends:
        backend.play(answers(OK))

    async def asks(number: int) -> None:
        client = await stage.client()
        for turn in range(50):
            await client.send(post(b"hello") if (number + turn) % 3 == 0 else get(f"/{number}/{turn}"))
            assert status(await client.until(b"ok")) == 200
            if turn % 10 == 9:
                client.close()
                client = await stage.client()

    await asyncio.gather(*(asks(number) for number in range(64)))
    counters = stage.pool.leases.counters()
    assert (counters.requests, counters.failed, stage.pool.leases.rejected) == (3200, 0, 0)


async def test_a27_requests_are_not_all_read_if_responses_are_unread(stage: ProxyFixture) -> None:
    stage.backend.play(answers(ok(b"x" * 1000)))
    client = await a_client_behind_narrow_buffers(stage)
    sending = asyncio.create_task(client.send(get("/", "X-Long: " + "x" * 1000) * 10_000))
    await wait_until_async(lambda: stage.pool.leases.requests)
    await wait_until_still(lambda: stage.pool.leases.requests)
    answered = stage.pool.leases.requests
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    (connection,) = stage.server.context.connections
    gc.collect()
    assert answered < 5000
    assert unsent_to_clients(stage) < 1024 * 1024
    assert len(connection._queue) < 100  # type: ignore[union-attr]


# Dead backends


async def test_d1_refused_by_all_is_told_within_a_second(open_stage: OpenStage) -> None:
    stage = await open_stage(3)
    for backend in stage.backends:
        backend.refuse()

    async def is_told() -> None:
        client = await stage.client()
        await client.send(GET)
        assert status(await client.head()) in (502, 503)

    assert await least_seconds(is_told, 5) < 1


async def test_d2_p10_if_no_backend_accepts_it_is_a_504_after_a_second(open_stage: OpenStage) -> None:
    stage = await open_stage(1, backlog=0, connect_timeout=CONNECT_TIMEOUT)

    async def is_told() -> None:
        client = await stage.client()
        await client.send(post(b"hello"))
        head = await client.head()
        assert status(head) == 504
        assert b"X-Composectl-Error: connect-timeout\r\n" in head

    async with crowd(stage.backend):
        assert 0.9 < await least_seconds(is_told, 2) < 2


async def test_d5_p4_without_a_queue_it_is_a_503_and_then_a_200(
    stage: ProxyFixture,
) -> None:
    stage.backend.play(answers(OK))
    stage.observe([])
    client = await stage.client()

    async def is_told() -> None:
        await client.send(GET)
        assert status(await client.until(b"Unavailable\n")) == 503

    assert await least_seconds(is_told) < 0.05
    stage.observe([0], run="second")
    await client.send(GET)
    assert status(await client.until(b"ok")) == 200


async def test_d6_a_dead_backend_costs_one_attempt_and_comes_back(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    for backend in stage.backends:
        backend.play(answers(OK))
    client = await stage.client()

    async def thousand() -> list[int]:
        before = [backend.requests for backend in stage.pool.backends]
        for _ in range(1000):
            await client.send(GET)
            assert status(await client.until(b"ok")) == 200
        return [backend.requests - former for backend, former in zip(stage.pool.backends, before, strict=True)]

    stage.eject(0)
    assert await thousand() == [0, 1000]
    stage.pool.checked(stage.pool.backends[0], None)
    shares = await thousand()
    assert all(475 <= share <= 525 for share in shares)
    assert stage.pool.leases.counters().failed == 0


@pytest.mark.parametrize("method", [b"PUT", b"DELETE"])
async def test_d9_what_is_idempotent_goes_to_others_each_once(open_stage: OpenStage, method: bytes) -> None:
    stage = await open_stage(3)

    async def resets(wire: RawConnection) -> None:
        await wire.until(b"hello")
        wire.reset()

    for backend in stage.backends:
        backend.play(resets)
    client = await stage.client()
    await client.send(post(b"hello").replace(b"POST", method))
    assert status(await client.head()) == 502
    assert [len(backend.wires) for backend in stage.backends] == [1, 1, 1]


# P8: the client is gone


@pytest.mark.parametrize("moment", ["before the head", "in the upload", "in the download"])
@pytest.mark.parametrize("leave", [RawConnection.close, RawConnection.reset], ids=["closes", "resets"])
async def test_p8_f1_a_backend_learns_of_an_abort_within_a_second(
    stage: ProxyFixture, moment: str, leave: object
) -> None:
    assert callable(leave)

    async def comes_and_leaves() -> None:
        client, backend = await stage.ask(post(b"he", 5) if moment == "in the upload" else GET)
        await backend.head()
        if moment == "in the download":
            await backend.send(ok(b"hello")[:-1])
            await client.until(b"hell")
        leave(client)
        await backend.rest()

    assert await least_seconds(comes_and_leaves, 5) < 1
    assert stage.pool.leases.counters().failed == 0
    assert stage.phases() == ["ready"]


# F12: what the clock on the wall says


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
async def test_f12_a_clock_that_jumps_ends_nothing(stage: ProxyFixture, jump: float) -> None:
    backend_of = {}
    asking, backend_of[1] = await stage.ask(post(b"he", 5))
    await backend_of[1].until(b"he")
    idle, backend_of[0] = await stage.ask(GET)
    await backend_of[0].head()
    await backend_of[0].send(OK)
    await idle.until(b"ok")
    stage.later += jump
    stage.seconds_pass(1)
    await asking.send(b"llo")
    await backend_of[1].exactly(3)
    await backend_of[1].send(OK)
    assert status(await asking.until(b"ok")) == 200
    await idle.send(GET)
    await backend_of[1].head()
    assert idle.silent()
    stage.leave(0)
    assert stage.phases() == ["draining"]
