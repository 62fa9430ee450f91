"""Connections that are balanced as a whole: each goes to one backend, and its bytes arrive as they are."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from composectl.balance.policy import POLICIES
from composectl.proxy.limits import Limits, QueueConfig
from composectl.proxy.protocol import Protocol
from composectl.proxy.tcp import TcpConnection
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, fill
from tests.support.wait import wait_until_async


@pytest.fixture
async def tcp(open_stage: OpenStage) -> ProxyFixture:
    return await open_stage(protocol=Protocol.TCP)


async def both(stage: ProxyFixture) -> tuple[RawConnection, RawConnection]:
    """Both sides of a connection, which is relayed."""
    client = await stage.client()
    backend = await stage.backend.accept()
    await wait_until_async(lambda: any(relayed._tunnel for relayed in tcp_connections(stage)))
    return client, backend


def tcp_connections(stage: ProxyFixture) -> list[TcpConnection]:
    found = [*stage.server.context.connections, *stage.server.context.tunnels]
    return [connection for connection in found if isinstance(connection, TcpConnection)]


async def test_the_backend_may_speak_first(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await backend.send(b"220 ready\r\n")
    assert await client.until(b"\n") == b"220 ready\r\n"
    await client.send(b"\0\xff")
    assert await backend.exactly(2) == b"\0\xff"


async def test_what_looks_like_http_arrives_as_it_is(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await backend.head() == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_long_message_arrives_whole_both_ways(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    message = bytes(range(256)) * 400
    for _ in range(5):
        await client.send(message)
        assert await backend.exactly(len(message)) == message
        await backend.send(message)
        assert await client.exactly(len(message)) == message


async def test_the_end_of_one_direction_is_passed_on_and_the_other_goes_on(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await client.send(b"question")
    client.half_close()
    assert await backend.rest() == b"question"
    await backend.send(b"answer")
    assert await client.exactly(6) == b"answer"
    backend.close()
    assert await client.rest() == b""
    await wait_until_async(lambda: not tcp.pool.leases.counters().connections)
    assert tcp.pool.leases.counters().failed == 0


async def test_the_backend_may_end_its_direction_first(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await backend.send(b"all")
    backend.half_close()
    assert await client.rest() == b"all"
    await client.send(b"thanks")
    assert await backend.exactly(6) == b"thanks"
    client.close()
    assert await backend.rest() == b""


async def test_a_reset_of_the_client_is_one_of_the_backend(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await client.send(b"x")
    await backend.exactly(1)
    client.reset()
    assert await backend.was_reset()


async def test_a_reset_of_the_backend_is_one_of_the_client(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await backend.send(b"x")
    await client.exactly(1)
    backend.reset()
    assert await client.was_reset()
    await wait_until_async(lambda: not tcp.pool.leases.counters().in_flight)
    assert tcp.pool.leases.counters().failed == 0  # it had answered


async def test_a_backend_that_resets_before_a_byte_has_failed(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    backend.reset()
    assert await client.was_reset()
    await wait_until_async(lambda: tcp.pool.leases.failed_for == {"backend-hung-up": 1})


async def send_slowly(wire: RawConnection) -> None:
    for _ in range(1000):
        await wire.send(b"x")
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("half", ["client", "backend"])
async def test_a_reset_behind_a_half_close_is_noticed(tcp: ProxyFixture, half: str) -> None:
    client, backend = await both(tcp)
    first, other = (client, backend) if half == "client" else (backend, client)
    first.half_close()
    assert await other.rest() == b""
    first.reset()

    def is_over() -> bool:
        tcp.seconds_pass(1)
        return not tcp.pool.leases.counters().in_flight

    await wait_until_async(is_over)
    with pytest.raises(ConnectionError):
        await send_slowly(other)


async def test_a_side_that_takes_nothing_pauses_the_other_and_loses_nothing(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    sent = await fill(client)
    assert len(await backend.exactly(sent)) == sent
    sent = await fill(backend)
    assert len(await client.exactly(sent)) == sent


async def test_the_counters_are_of_connections_and_bytes(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await client.send(b"12345")
    await backend.exactly(5)
    await backend.send(b"123")
    await client.exactly(3)
    tcp.seconds_pass(1)
    (counted,) = tcp.pool.backends
    assert (counted.connections, counted.connections_total, counted.in_flight) == (1, 1, 1)
    assert (counted.bytes_received, counted.bytes_sent) == (5, 3)
    await client.send(b"1")
    await backend.exactly(1)
    client.close()
    await backend.rest()
    backend.close()
    await wait_until_async(lambda: not counted.in_flight)
    assert (counted.connections, counted.connections_total, counted.requests, counted.failed) == (0, 1, 1, 0)
    assert (counted.bytes_received, counted.bytes_sent) == (6, 3)
    assert sum(counted.responses) == 0


def are_at_each(stage: ProxyFixture, number: int) -> bool:
    return all(backend.connections == number for backend in stage.pool.backends)


async def test_a_new_connection_goes_where_the_fewest_are(open_stage: OpenStage) -> None:
    stage = await open_stage(3, policy=POLICIES["least-request"], protocol=Protocol.TCP)
    for number in range(1, 4):
        for _ in stage.backends:
            await stage.client()
        await wait_until_async(partial(are_at_each, stage, number))


async def test_a_backend_that_refuses_is_passed_over_and_ejected(open_stage: OpenStage) -> None:
    stage = await open_stage(2, protocol=Protocol.TCP)
    stage.backends[0].refuse()
    for _ in range(4):
        client = await stage.client()
        await client.send(b"hello")
        assert await (await stage.backends[1].accept()).exactly(5) == b"hello"
    assert stage.phases() == ["unhealthy", "ready"]
    assert stage.pool.leases.counters().failed == 0
    assert stage.pool.leases.retried_for == {"backend-unreachable": 2}


async def test_a_client_waits_while_no_backend_is_ready(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TCP, queue=QueueConfig(5))
    stage.observe([])
    client = await stage.client()
    await client.send(b"early")
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.observe([0], run="second")
    assert await (await stage.backend.accept()).exactly(5) == b"early"


async def test_a_client_that_waits_for_too_long_is_ended(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TCP, queue=QueueConfig(2))
    stage.observe([])
    client = await stage.client()
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.seconds_pass(2)
    assert client.silent()
    stage.seconds_pass(1)
    assert await client.was_reset()
    assert stage.pool.leases.failed_for == {"no-backend-ready": 1}


async def test_a_client_that_leaves_the_queue_is_forgotten(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TCP, queue=QueueConfig(30))
    stage.observe([])
    client = await stage.client()
    await wait_until_async(lambda: stage.queue.queued == 1)
    client.reset()

    def is_gone() -> bool:
        stage.server.sweep()
        return not stage.queue.queued

    await wait_until_async(is_gone)
    await wait_until_async(lambda: not stage.server.context.connections)


async def test_a_connection_holds_its_backend_until_it_ends(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    tcp.leave(0)
    assert tcp.phases() == ["draining"]
    await client.send(b"still")
    assert await backend.exactly(5) == b"still"
    client.close()
    backend.close()
    await wait_until_async(lambda: tcp.phases() == ["drained"])


async def test_a_cut_resets_both_sides_and_is_a_failure(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    await backend.send(b"x")
    await client.exactly(1)
    tcp.server.cut(tcp.pool.backends[0])
    assert await client.was_reset()
    assert await backend.was_reset()
    await wait_until_async(lambda: tcp.pool.leases.failed_for == {"cut": 1})


async def test_the_end_waits_and_then_resets(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TCP, drain_seconds=0.1)
    client, backend = await both(stage)
    await backend.send(b"x")
    await client.exactly(1)
    await stage.shut_down()
    assert await client.was_reset()


async def test_an_idle_connection_lives_for_ever(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    tcp.seconds_pass(10_000)
    await client.send(b"late")
    assert await backend.exactly(4) == b"late"


async def test_an_idle_timeout_ends_what_pauses_for_longer(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TCP, limits=Limits(idle_timeout=3))
    client, backend = await both(stage)
    for _ in range(3):
        stage.seconds_pass(3)
        await client.send(b"x")
        await backend.exactly(1)
    stage.seconds_pass(5)
    assert await client.was_reset()
    assert await backend.was_reset()


async def test_a_relayed_connection_makes_no_room_for_others(tcp: ProxyFixture) -> None:
    await both(tcp)
    await wait_until_async(lambda: tcp.pool.leases.counters().connections == 1)
    tcp.seconds_pass(1000)
    assert tcp.server.context.idle_connections() == {}
