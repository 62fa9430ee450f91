"""Bodies of any size and pace, which are never held, and never look whole when they are not."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.support.messages import GET, OK, ok, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, least_seconds
from tests.support.wait import wait_until_async

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GIBIBYTE = 1024**3


@pytest.mark.parametrize("size", [3 * GIBIBYTE, 5 * GIBIBYTE, 2**63 - 1])
async def test_e3_a_length_beyond_32_bits_is_a_length(stage: ProxyFixture, size: int) -> None:
    client, backend = await stage.ask(post(b"hello", size))
    assert b"\r\nContent-Length: %d\r\n" % size in await backend.head()
    assert await backend.exactly(5) == b"hello"
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nworld" % size)
    assert b"\r\nContent-Length: %d\r\n" % size in await client.head()
    assert await client.exactly(5) == b"world"
    backend.close()
    assert await client.rest() == b""
    await wait_until_async(lambda: stage.pool.leases.counters().failed == 1)


async def test_e3_a_chunk_beyond_32_bits_is_a_chunk(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(CHUNKED + b"140000000\r\nhello")
    assert await backend.until(b"hello\r\n") == await_head(backend) + b"5\r\nhello\r\n"
    await client.send(b"world")
    assert await backend.until(b"world\r\n") == b"5\r\nworld\r\n"


def await_head(backend: RawConnection) -> bytes:
    return bytes(backend.received).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


async def test_e6_an_upload_of_a_byte_a_second_is_not_cut(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(post(b"", 300))
    await backend.head()
    for number in range(300):
        byte = b"%c" % (number % 256)
        await client.send(byte)
        stage.seconds_pass(1)
        assert await backend.exactly(1) == byte
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200


async def test_e7_a_body_may_be_larger_than_what_aiohttp_would_take(stage: ProxyFixture) -> None:
    body = b"x" * (8 * 1024 * 1024)
    client, backend = await stage.ask(post(b"", len(body)))
    sending = asyncio.create_task(client.send(body))
    await backend.head()
    assert await backend.exactly(len(body)) == body
    await sending
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200


async def test_e9_no_flush_between_two_chunks_is_taken_for_the_end(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(CHUNKED)
    await backend.head()
    await backend.send(CHUNKED_OK)
    await client.head()
    for piece in (b"5", b"\r\n", b"hello", b"\r", b"\n", b"5\r\nwor"):
        for wire in (client, backend):
            await wire.send_in_pieces(piece)
    for wire in (client, backend):
        assert letters(await wire.until(b"r\r\n")) == b"hellowor"
        assert b"\r\n0\r\n" not in wire.received.rpartition(b"\r\n\r\n")[2]
    for wire in (client, backend):
        await wire.send(b"ld\r\n0\r\n\r\n")
    for wire in (client, backend):
        assert letters(await wire.until(b"\r\n0\r\n\r\n")) == b"ld"


def letters(chunks: bytes) -> bytes:
    """The data of chunks, none of which is longer than 9 bytes."""
    return b"".join(re.findall(rb"[1-9]\r\n([a-z]+)\r\n", chunks))


async def test_e4_events_come_within_50_ms(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    assert status(await client.head()) == 200

    async def event_comes() -> None:
        await backend.send(b"data: x\n\n")
        await client.until(b"\n\n\r\n")

    assert await least_seconds(event_comes) < 0.05


@pytest.mark.parametrize("start", [post(b"hello", 10), CHUNKED + b"a\r\nhello"], ids=["length", "chunk"])
@pytest.mark.parametrize(
    "leave",
    [RawConnection.close, RawConnection.reset, RawConnection.half_close],
    ids=["closes", "resets", "half-closes"],
)
async def test_e10_f1_an_upload_that_is_cut_never_looks_whole(stage: ProxyFixture, start: bytes, leave: object) -> None:
    client, backend = await stage.ask(start)
    await backend.until(b"hello")
    assert callable(leave)
    leave(client)
    rest = await backend.rest()
    assert b"0\r\n\r\n" not in rest
    assert len(rest) <= 2
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)
    assert stage.pool.leases.counters().failed == 0


async def test_a16_a_line_feed_among_chunk_extensions_is_refused(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(CHUNKED + b"5;a=\nb\r\nhello\r\n0\r\n\r\n")
    assert status(await client.head()) == 400
    assert stage.backend.untouched()


async def test_a16_chunk_extensions_end_with_us(stage: ProxyFixture) -> None:
    _, backend = await stage.ask(CHUNKED + b'5;name="value"\r\nhello\r\n0;last\r\n\r\n')
    assert (await backend.until(b"0\r\n\r\n")).endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


# F2: what a client that has said its last word gets


async def test_f2_a_client_that_half_closes_before_its_answer_has_left(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    client.half_close()
    assert await backend.rest() == b""
    assert await client.rest() == b""


async def test_f2_what_was_sent_before_still_arrives(open_stage: OpenStage) -> None:
    stage = await open_stage()
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(ok(b"x" * 100))
    await client.until(b"\r\n\r\n")
    client.half_close()
    assert await client.rest() == b"x" * 100
