"""What becomes of a request when its backend, or its client, fails."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import time
from collections.abc import AsyncIterator

import pytest

from composectl.proxy.connection_pool import CONNECT_TIMEOUT
from tests.support.backends import ScriptedBackend, answers
from tests.support.messages import GET, OK, get, post, put, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import PATIENCE, RawConnection, fill
from tests.support.wait import wait_until_async

MEGABYTE = 1024 * 1024


async def hangs_up(wire: RawConnection) -> None:
    await wire.head()
    wire.close()


def requests_heard(backend: ScriptedBackend) -> int:
    return sum(wire.received.count(b" HTTP/1.1\r\n") for wire in backend.wires)


async def test_b1_a_get_whose_backend_hangs_up_is_answered_by_another(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    stage.backends[0].play(hangs_up)
    stage.backends[1].play(answers(OK))
    client = await stage.client()
    await client.send(GET)
    assert status(await client.head()) == 200
    counters = stage.pool.leases.counters()
    assert (counters.retried, counters.failed, stage.pool.leases.requests) == (1, 0, 1)


async def test_b1_without_another_backend_it_is_a_502(stage: ProxyFixture) -> None:
    stage.backend.play(hangs_up)
    client = await stage.client()
    await client.send(GET)
    head = await client.head()
    assert status(head) == 502
    assert b"X-Composectl-Error: backend-hung-up\r\n" in head
    assert stage.pool.leases.counters().failed == 1


async def test_d7_a_post_is_executed_once(open_stage: OpenStage) -> None:
    stage = await open_stage(2)

    async def resets_after_the_body(wire: RawConnection) -> None:
        await wire.head()
        await wire.exactly(5)
        wire.reset()

    for backend in stage.backends:
        backend.play(resets_after_the_body)
    client = await stage.client()
    await client.send(post(b"hello"))
    assert status(await client.head()) == 502
    assert sum(requests_heard(backend) for backend in stage.backends) == 1


async def test_d9_a_put_is_sent_again_whole(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    stage.backends[0].play(hangs_up)
    client = await stage.client()
    await client.send(put(b"hello"))
    second = await stage.backends[1].accept()
    await second.head()
    assert await second.exactly(5) == b"hello"
    await second.send(OK)
    assert status(await client.head()) == 200


async def test_p3_no_backend_is_asked_after_two_others(open_stage: OpenStage) -> None:
    stage = await open_stage(5)
    for backend in stage.backends:
        backend.play(hangs_up)
    client = await stage.client()
    await client.send(GET)
    assert status(await client.head()) == 502
    assert sum(requests_heard(backend) for backend in stage.backends) == 3


async def test_d1_refused_by_all_is_a_502(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    for backend in stage.backends:
        backend.refuse()
    client = await stage.client()
    await client.send(post(b"hello"))
    head = await client.head()
    assert status(head) == 502
    assert b"X-Composectl-Error: backend-unreachable\r\n" in head


async def test_d5_no_ready_backend_is_a_503_and_the_connection_stays(stage: ProxyFixture) -> None:
    stage.observe([])
    client = await stage.client()
    for _ in range(2):
        await client.send(GET)
        head = await client.head()
        assert status(head) == 503
        assert b"Retry-After: 1\r\n" in head
        await client.exactly(len(b"503 Service Unavailable\n"))
    assert stage.pool.leases.requests == stage.pool.leases.rejected == 2


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
    ids=["length", "chunk"],
)
async def test_d3_a_body_that_breaks_off_never_looks_whole(stage: ProxyFixture, start: bytes) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(start)
    await client.until(b"hel")
    backend.reset()
    rest = await client.rest()
    assert b"0\r\n\r\n" not in rest
    assert len(rest) < 5
    assert stage.pool.leases.counters().failed == 1


async def test_d3_a_body_to_http_1_0_that_breaks_off_is_not_completed(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(b"GET / HTTP/1.0\r\n\r\n")
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await client.until(b"hello")
    backend.close()
    assert await client.was_reset()


async def test_d3_http_1_0_gets_all_that_came_of_a_body_whose_length_tells_that_it_broke_off(
    stage: ProxyFixture,
) -> None:
    client, backend = await stage.ask(b"GET / HTTP/1.0\r\n\r\n")
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000012\r\n\r\n" + b"x" * 500_000)
    backend.close()
    assert b"Content-Length: 1000012\r\n" in await client.head()
    assert not await client.was_reset()
    assert await client.rest() == b"x" * 500_000


async def test_d3_a_reset_does_not_complete_a_body_without_a_length(
    stage: ProxyFixture,
) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
    await client.until(b"hello\r\n")
    backend.reset()
    assert await client.rest() == b""


async def test_b13_an_early_answer_stops_the_upload(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(post(b"hello", 1_000_000))
    await backend.head()
    await backend.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    head = await client.head()
    assert status(head) == 413
    assert b"Connection: close\r\n" in head
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


async def test_b13_an_unread_upload_is_dropped_after_the_response(open_stage: OpenStage) -> None:
    stage = await open_stage(receive_buffer=4096)
    client, backend = await stage.ask(post(b"", 1_000_000_000))
    await fill(client)
    await backend.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    assert status(await client.head()) == 413
    assert b"x" in await backend.rest()
    assert not await client.rest()


async def test_bytes_may_go_both_ways_at_once(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(post(b"", 3))
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.head()
    for byte in (b"a", b"b", b"c"):
        await client.send(byte)
        assert await backend.exactly(1) == byte
        await backend.send(b"1\r\n" + byte + b"\r\n")
        assert await client.exactly(6) == b"1\r\n" + byte + b"\r\n"
    await backend.send(b"0\r\n\r\n")
    assert await client.rest() == b"0\r\n\r\n"


async def test_e2_one_byte_chunks_arrive_as_they_were(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    sending = asyncio.create_task(client.send(b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"))
    body = (await backend.until(b"0\r\n\r\n")).partition(b"\r\n\r\n")[2]
    await sending
    assert (body or await backend.until(b"0\r\n\r\n")) == b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"


async def test_e2_cpu_time_is_linear_in_the_number_of_chunks(stage: ProxyFixture) -> None:
    few, many = [[await cpu_of_chunks(stage, count) for _ in range(3)] for count in (5_000, 50_000)]
    assert min(many) < 40 * min(few)


async def cpu_of_chunks(stage: ProxyFixture, count: int) -> float:
    """The seconds of CPU until so many chunks have arrived."""
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    await backend.head()
    chunks, began = b"1\r\nx\r\n" * count, time.process_time()
    sending = asyncio.create_task(client.send(chunks))
    async with asyncio.timeout(PATIENCE):
        async for piece in backend.stream():
            count -= piece.count(b"x")
            if not count:
                break
    await sending
    return time.process_time() - began


async def test_p3_more_than_a_mebibyte_is_not_sent_again(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    client = await stage.client()
    body = b"x" * (2 * MEGABYTE)
    sending = asyncio.create_task(client.send(put(body)))
    first = await stage.backends[0].accept()
    await first.head()
    await first.exactly(len(body))
    await sending
    first.close()
    assert status(await client.head()) == 502
    assert stage.backends[1].untouched()


async def test_a_paused_upload_goes_on_at_another_kept_connection(open_stage: OpenStage) -> None:
    stage = await open_stage(2, receive_buffer=4096)
    stage.backends[1].play(answers(OK))
    client = await stage.client()
    narrow = await stage.client()
    for wire in (client, narrow):  # a turn for each backend; the second keeps its connection
        await wire.send(GET)
        if wire is client:
            first = await stage.backends[0].accept()
            await first.head()
            await first.send(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
        await wire.until(b"ok")
    await client.send(put(b"x")[:-1].replace(b"1\r\n\r\n", b"600000\r\n\r\n"))
    stalled = await stage.backends[0].accept()
    await stalled.head()
    (connection,) = (connection for connection in stage.server.context.connections if connection._queue)
    stream = connection._queue[0]._backend
    assert stream is not None
    stream.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sending = asyncio.create_task(client.send(b"x" * 600_000))
    await wait_until_async(lambda: connection.upload_paused)
    stalled.reset()
    assert status(await client.until(b"ok")) == 200
    await sending
    assert len(stage.backends[1].wires) == 1


async def test_p8_a_client_that_leaves_closes_the_backend_connection(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    client.close()
    await backend.rest()
    assert stage.pool.leases.counters().failed == 0


async def test_p8_an_aborted_upload_is_no_whole_request(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await backend.until(b"hello")
    client.close()
    assert b"0\r\n\r\n" not in await backend.rest()


async def test_p8_a_client_that_leaves_during_its_download_stops_it(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
    await client.until(b"hello")
    client.reset()
    await backend.rest()


async def test_p8_a_client_with_several_requests_may_leave_too(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET * 3)
    await backend.head()
    client.close()
    assert await backend.rest() == b""


@pytest.mark.parametrize("request_", [GET, post(b"he", 5)], ids=["get", "post"])
async def test_p8_a_client_may_leave_while_its_backend_is_dialled(open_stage: OpenStage, request_: bytes) -> None:
    stage = await open_stage(backlog=0, connect_timeout=CONNECT_TIMEOUT)
    async with crowd(stage.backend):
        client = await stage.client()
        await client.send(request_)
        await wait_until_async(lambda: stage.pool.leases.counters().in_flight)
        client.close()
        await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


async def test_d2_a_backend_that_does_not_accept_is_left_for_another(open_stage: OpenStage) -> None:
    stage = await open_stage(2, backlog=0, connect_timeout=CONNECT_TIMEOUT)
    stage.backends[1].play(answers(OK))
    async with crowd(stage.backends[0]):
        client = await stage.client()
        for _ in range(2):
            await client.send(post(b"hello"))
            assert status(await client.until(b"ok")) == 200
    assert stage.phases() == ["unhealthy", "ready"]
    assert stage.pool.leases.counters().retried == 2


@contextlib.asynccontextmanager
async def crowd(backend: ScriptedBackend) -> AsyncIterator[None]:
    """As many connections as the backend lets wait, so that the next one gets no answer."""
    waiting = [socket.socket() for _ in range(4)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex((backend.host, backend.port))
    yield
    for sock in waiting:
        sock.close()


async def test_c17_the_backend_decides_whether_to_continue(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(post(b"", 5).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert b"Expect: 100-continue\r\n" in await backend.head()
    assert client.silent()
    await backend.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"hello")
    assert await backend.exactly(5) == b"hello"
    await backend.send(OK)
    assert status(await client.head()) == 200


@pytest.mark.parametrize("size", [MEGABYTE, 100 * MEGABYTE])
async def test_e1_bodies_are_the_same_at_the_other_end(stage: ProxyFixture, size: int) -> None:
    piece = bytes(range(256)) * 256
    sent, came_up, came_down = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    async def sends(wire: RawConnection) -> None:
        for _ in range(size // len(piece)):
            await wire.send(piece)

    client, backend = await stage.ask(post(b"", size))
    await backend.head()
    upload = asyncio.create_task(sends(client))
    for _ in range(size // len(piece)):
        sent.update(piece)
        came_up.update(await backend.exactly(len(piece)))
    await upload
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    download = asyncio.create_task(sends(backend))
    await client.head()
    for _ in range(size // len(piece)):
        came_down.update(await client.exactly(len(piece)))
    await download
    assert came_up.digest() == came_down.digest() == sent.digest()


async def test_an_unanswered_request_does_not_hinder_others(stage: ProxyFixture) -> None:
    _, silent = await stage.ask(GET)
    await silent.head()
    other, backend = await stage.ask(get("/other"))
    await backend.head()
    await backend.send(OK)
    assert status(await other.head()) == 200
