"""A client that leaves is noticed, whatever its connection is at, and so is one that only takes room."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from composectl.proxy.connection_pool import CONNECT_TIMEOUT
from composectl.proxy.http1.backend_connection import BackendConnection
from composectl.proxy.http1.client_connection import ClientConnection
from composectl.proxy.limits import Limits, QueueConfig
from tests.support.messages import GET, OK, get, ok, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, fill
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_client_connection import a_client_behind_narrow_buffers
from tests.unit.proxy.test_exchange import crowd

Leave = Callable[[RawConnection], None]
BEHIND = get("/behind") * 40
UNREAD = BEHIND * 240  # a little more than is read
LEAVE = pytest.mark.parametrize(
    "leave", [RawConnection.close, RawConnection.reset, RawConnection.half_close], ids=["closes", "resets", "half"]
)


def connection_of(stage: ProxyFixture) -> ClientConnection:
    (connection,) = stage.server.context.connections
    assert isinstance(connection, ClientConnection)
    return connection


async def is_noticed(stage: ProxyFixture, seconds: int = 3) -> None:
    """Whether it is before so many seconds have passed."""
    for _ in range(seconds):
        stage.seconds_pass(1)
        await asyncio.sleep(0.01)
    await wait_until_async(lambda: not stage.server.context.connections)
    assert stage.pool.leases.counters().in_flight == stage.queue.queued == 0
    assert stage.server.connection_limit.count == 0


def waits(connection: ClientConnection) -> bool:
    """Whether the rest of a response waits for the client to take it, in this process or in the kernel."""
    backend = connection._queue[0]._backend
    assert isinstance(backend, BackendConnection)
    return connection._write_paused or (backend._rest is not None and backend._rest.waits_for_target)


@LEAVE
@pytest.mark.parametrize("behind", [BEHIND, UNREAD], ids=["read", "unread"])
async def test_f1_with_requests_behind(stage: ProxyFixture, leave: Leave, behind: bytes) -> None:
    client, backend = await stage.ask(GET + BEHIND)
    await backend.head()
    if behind is UNREAD:
        await client.send(UNREAD)
        await wait_until_async(lambda: not connection_of(stage)._reading)
    leave(client)
    await is_noticed(stage)
    assert await backend.rest() == b""


@LEAVE
async def test_f1_in_a_response_with_more_requests_behind(stage: ProxyFixture, leave: Leave) -> None:
    client, backend = await stage.ask(GET + BEHIND)
    await backend.head()
    await backend.send(ok(b"hello")[:-1])
    await client.until(b"hell")
    leave(client)
    await is_noticed(stage)
    assert await backend.rest() == b""


@LEAVE
async def test_f1_in_an_upload_that_its_backend_does_not_read(open_stage: OpenStage, leave: Leave) -> None:
    stage = await open_stage(receive_buffer=4096)
    client, _ = await stage.ask(post(b"", 1_000_000_000))
    connection = connection_of(stage)
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
    while not connection.upload_paused:
        await client.send(b"x" * 65536)
        await asyncio.sleep(0)
    leave(client)
    await is_noticed(stage)


@LEAVE
@pytest.mark.parametrize("behind", [b"", BEHIND, UNREAD], ids=["alone", "pipelined", "unread"])
async def test_f1_in_a_response_that_it_does_not_take(stage: ProxyFixture, leave: Leave, behind: bytes) -> None:
    client = await a_client_behind_narrow_buffers(stage)
    await client.send(GET + behind)
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    await fill(backend)
    assert waits(connection_of(stage))
    leave(client)
    stage.seconds_pass(1)
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)
    assert b"GET" not in await backend.rest()
    await is_noticed(stage, 3 if leave is not RawConnection.half_close else 80)


@LEAVE
@pytest.mark.parametrize("request_", [GET + BEHIND, post(b"he", 5)], ids=["pipelined", "upload"])
async def test_f1_while_its_request_is_queued(open_stage: OpenStage, leave: Leave, request_: bytes) -> None:
    stage = await open_stage(queue=QueueConfig())
    stage.observe([])
    client = await stage.client()
    await client.send(request_)
    await wait_until_async(lambda: stage.queue.queued)
    leave(client)
    await is_noticed(stage)


@LEAVE
@pytest.mark.parametrize("request_", [GET + BEHIND, post(b"he", 5)], ids=["pipelined", "upload"])
async def test_f1_while_its_backend_is_dialled(open_stage: OpenStage, leave: Leave, request_: bytes) -> None:
    stage = await open_stage(backlog=0, connect_timeout=CONNECT_TIMEOUT)
    async with crowd(stage.backend):
        client = await stage.client()
        await client.send(request_)
        await wait_until_async(lambda: stage.pool.leases.counters().in_flight)
        leave(client)
        await is_noticed(stage)


@LEAVE
async def test_f1_with_bytes_behind_a_request_to_switch_protocols(stage: ProxyFixture, leave: Leave) -> None:
    upgrade = get("/", "Connection: Upgrade", "Upgrade: websocket")
    client, backend = await stage.ask(upgrade + b"x" * 100_000)
    await backend.head()
    await wait_until_async(lambda: not connection_of(stage)._reading)
    leave(client)
    await is_noticed(stage)


# More to send than there is room for: no end can arrive


async def test_f6_a_client_whose_requests_find_no_room_is_cut_off(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await fill_with(client, BEHIND * 50)
    client.close()
    stage.seconds_pass(75)
    assert stage.server.connection_limit.count == 1
    await is_noticed(stage, 2)


async def test_f6_one_whose_requests_find_no_room_stays_while_it_is_answered(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await fill_with(client, BEHIND * 50)
    for _ in range(3):
        stage.seconds_pass(70)
        await backend.send(OK)
        assert status(await client.until(b"ok")) == 200
        await backend.head()
    assert stage.server.connection_limit.count == 1
    client.reset()
    await is_noticed(stage)


async def test_f6_an_upload_of_which_its_backend_takes_nothing_is_a_504(open_stage: OpenStage) -> None:
    stage = await open_stage(receive_buffer=4096)
    client, backend = await stage.ask(post(b"", 1_000_000_000))
    await fill(client)
    stage.seconds_pass(75)
    assert client.silent()
    stage.seconds_pass(3)
    head = await client.head()
    assert status(head) == 504
    assert b"X-Composectl-Error: backend-too-slow\r\n" in head
    assert b"x" in await backend.rest()


async def test_f6_the_response_timeout_is_for_such_an_upload_too(open_stage: OpenStage) -> None:
    stage = await open_stage(receive_buffer=4096, limits=Limits(response_timeout=200))
    client, _ = await stage.ask(post(b"", 1_000_000_000))
    await fill(client)
    stage.seconds_pass(199)
    assert client.silent()
    stage.seconds_pass(3)
    assert status(await client.head()) == 504


async def test_f6_an_upload_of_which_its_backend_takes_a_little_goes_on(open_stage: OpenStage) -> None:
    stage = await open_stage(receive_buffer=4096)
    client, backend = await stage.ask(post(b"", 1_000_000_000))
    await fill(client)
    for _ in range(5):
        stage.seconds_pass(70)
        await backend.exactly(8192)
    assert client.silent()
    client.reset()
    await is_noticed(stage)


async def test_f6_a_client_that_takes_nothing_of_a_response_is_cut_off(stage: ProxyFixture) -> None:
    client = await a_client_behind_narrow_buffers(stage)
    await client.send(GET)
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    await fill(backend)
    stage.seconds_pass(300)
    assert stage.server.connection_limit.count == 1
    await is_noticed(stage, 2)
    assert len(await client.rest()) < 1_000_000


async def test_f6_a_client_that_takes_a_little_of_a_response_gets_all_of_it(stage: ProxyFixture) -> None:
    client = await a_client_behind_narrow_buffers(stage)
    await client.send(GET)
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    sending = asyncio.create_task(backend.send(b"x" * 1_000_000))
    await client.head()
    for _ in range(5):
        stage.seconds_pass(280)
        await client.exactly(8192)
    await client.exactly(1_000_000 - 5 * 8192)
    await sending


async def fill_with(client: RawConnection, piece: bytes) -> None:
    """Send until nothing more is taken."""
    refused = 0
    while refused < 20:
        try:
            client.sock.send(piece)
            refused = 0
        except BlockingIOError:
            refused += 1
        await asyncio.sleep(0.001)


# Ahead of what is answered


# 400 bytes of body
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n190\r\n%b\r\n0\r\n\r\n" % (
    b"\r\n\r\n" * 100
)


async def test_a27_16_requests_are_parsed_ahead_at_most(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/0"))
    await backend.head()
    requests = b"".join(get(f"/{number}") for number in range(1, 3000))
    sending = asyncio.create_task(client.send(requests))
    await wait_until_async(lambda: len(connection_of(stage)._queue) == 16)
    for number in range(1, 3000):
        assert len(connection_of(stage)._queue) <= 17
        await backend.send(ok(b"%d;" % (number - 1)))
        await client.until(b"\r\n\r\n%d;" % (number - 1))
        assert b"GET /%d HTTP" % number in await backend.head()
    await sending


@pytest.mark.parametrize("upload", [post(b"hello"), post(b"\r\n\r\n" * 100), CHUNKED], ids=["short", "long", "chunked"])
@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "bytewise"])
async def test_a27_requests_behind_a_body_are_not_all_parsed(
    stage: ProxyFixture, upload: bytes, bytewise: bool
) -> None:
    may_answer, bodies = asyncio.Event(), []

    async def answers_later(wire: RawConnection) -> None:
        while True:
            head = await wire.head()
            if b"chunked" in head:
                bodies.append(unchunked(await wire.until(b"\r\n0\r\n\r\n")))
            elif b"Content-Length" in head:
                bodies.append(await wire.exactly(int(head.partition(b"Content-Length: ")[2].split()[0])))
            await may_answer.wait()
            await wire.send(OK)

    stage.backend.play(answers_later)
    client = await stage.client()
    send = client.send_in_pieces if bytewise else client.send
    sending = asyncio.create_task(send(GET + upload + BEHIND))
    await wait_until_async(lambda: any(isinstance(each, ClientConnection) for each in stage.server.context.connections))
    await wait_until_async(lambda: len(connection_of(stage)._queue) == (2 if bytewise else 16))
    may_answer.set()
    for _ in range(42):
        assert len(connection_of(stage)._queue) <= 17
        assert status(await client.until(b"ok")) == 200
    await sending
    assert bodies in ([b"hello"], [b"\r\n\r\n" * 100])


def unchunked(chunks: bytes) -> bytes:
    body = b""
    while size := int(chunks.partition(b"\r\n")[0], 16):
        chunks = chunks.partition(b"\r\n")[2]
        body, chunks = body + chunks[:size], chunks[size + 2 :]
    return body
