"""Many bytes through a tunnel go through the kernel, and differ in nothing else."""

from __future__ import annotations

import asyncio
import os

import pytest

from composectl.proxy.protocol import Protocol
from composectl.proxy.splice import CAN_SPLICE, PIPES
from tests.support.descriptors import exhausted
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async

pytestmark = pytest.mark.skipif(not CAN_SPLICE, reason="splice(2) is of Linux")

BULK = os.urandom(1024 * 1024) * 24


@pytest.fixture
async def tcp(open_stage: OpenStage) -> ProxyFixture:
    return await open_stage(protocol=Protocol.TCP)


async def both(stage: ProxyFixture) -> tuple[RawConnection, RawConnection]:
    client = await stage.client()
    return client, await stage.backend.accept()


async def spliced(sender: RawConnection, receiver: RawConnection) -> asyncio.Task[None]:
    """Sends until the kernel moves it, of which `receiver` reads no more than that takes."""
    sending = asyncio.create_task(sender.send(BULK))
    while not PIPES.in_use:
        await receiver.piece()
    return sending


async def read_all(receiver: RawConnection) -> None:
    tail = b""
    while not tail.endswith(b"the end"):
        piece = await receiver.piece()
        assert piece
        tail = (tail + piece)[-7:]


async def cancel(sending: asyncio.Task[None]) -> None:
    sending.cancel()
    await asyncio.wait([sending])


@pytest.mark.parametrize("way", ["up", "down"])
async def test_bulk_arrives_whole_and_is_counted(tcp: ProxyFixture, way: str) -> None:
    client, backend = await both(tcp)
    sender, receiver = (client, backend) if way == "up" else (backend, client)
    sending = asyncio.create_task(sender.send(BULK))
    seen = False
    received = bytearray()
    while len(received) < len(BULK):
        received += await receiver.piece()
        seen = seen or bool(PIPES.in_use)
    assert received == BULK
    assert seen
    await sending
    tcp.seconds_pass(1)
    counted = tcp.pool.backends[0]
    assert (counted.bytes_received if way == "up" else counted.bytes_sent) == len(BULK)


async def test_both_ways_at_once(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    sending = [asyncio.create_task(end.send(BULK)) for end in (client, backend)]
    up, down = await asyncio.gather(backend.exactly(len(BULK)), client.exactly(len(BULK)))
    assert up == down == BULK
    await asyncio.gather(*sending)


async def test_an_end_behind_bulk_is_passed_on(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    sending = asyncio.create_task(client.send(BULK))
    received = asyncio.create_task(backend.exactly(len(BULK)))
    await sending
    client.half_close()
    assert await received == BULK
    assert await backend.rest() == b""
    await backend.send(b"thanks")
    assert await client.exactly(6) == b"thanks"
    backend.close()
    assert await client.rest() == b""
    await wait_until_async(lambda: not PIPES.in_use)


@pytest.mark.parametrize("broken", ["sender", "receiver"])
async def test_a_reset_is_passed_on(tcp: ProxyFixture, broken: str) -> None:
    client, backend = await both(tcp)
    sending = await spliced(client, backend)
    ended, left = (client, backend) if broken == "sender" else (backend, client)
    await cancel(sending)
    ended.reset()
    assert await left.was_reset()
    await wait_until_async(lambda: not PIPES.in_use and not tcp.pool.leases.counters().connections)


async def test_a_cut_resets_both(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    sending = await spliced(client, backend)
    await cancel(sending)
    tcp.server.cut(tcp.pool.backends[0])
    assert await client.was_reset()
    assert await backend.was_reset()
    assert not PIPES.in_use


async def test_small_messages_behind_bulk_go_past_the_kernel(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    sending = await spliced(client, backend)
    reading = asyncio.create_task(read_all(backend))
    await sending
    await client.send(b"the end")
    await reading
    tcp.seconds_pass(1)
    for _ in range(10):
        await client.send(b"ping")
        assert await backend.exactly(4) == b"ping"
    tcp.seconds_pass(1)
    assert not PIPES.in_use
    await client.send(b"ping")
    assert await backend.exactly(4) == b"ping"


async def test_what_is_idle_holds_no_pipe_and_goes_on(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    sending = await spliced(client, backend)
    reading = asyncio.create_task(read_all(backend))
    await sending
    await client.send(b"the end")
    await reading
    tcp.seconds_pass(2)
    assert not PIPES.in_use
    await client.send(b"ping")
    assert await backend.until(b"ping")
    await backend.send(b"pong")
    assert await client.exactly(4) == b"pong"


async def test_of_an_upgraded_connection_what_is_idle_holds_no_pipe_and_goes_on(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n")
    await backend.head()
    await backend.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n")
    await client.head()
    sending = await spliced(backend, client)
    reading = asyncio.create_task(read_all(client))
    await sending
    await backend.send(b"the end")
    await reading
    stage.seconds_pass(2)
    assert not PIPES.in_use
    await backend.send(b"more")
    assert await client.exactly(4) == b"more"


async def test_without_descriptors_all_goes_through_this_process(tcp: ProxyFixture) -> None:
    client, backend = await both(tcp)
    PIPES.close()
    with exhausted():
        sending = asyncio.create_task(client.send(BULK))
        assert await backend.exactly(len(BULK)) == BULK
        await sending
        assert not PIPES.in_use
