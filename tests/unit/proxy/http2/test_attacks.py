"""What clients of HTTP/2 may not do, and that it harms them alone; judged by the library h2."""

from __future__ import annotations

import asyncio
import struct

import pytest

from composectl.proxy.http2 import frames
from composectl.proxy.http2.client_connection import MAX_STREAMS, Http2ClientConnection
from tests.support.backends import answers
from tests.support.http2_client import GET, POST, Http2Client
from tests.support.http2_stage import http2
from tests.support.messages import OK
from tests.support.proxy_fixture import ProxyFixture
from tests.support.raw_http import PATIENCE, RawConnection, fill
from tests.support.wait import wait_until_async

ODD = range(1, 4001, 2)
CALM, PROTOCOL, FLOW = frames.ENHANCE_YOUR_CALM, frames.PROTOCOL_ERROR, frames.FLOW_CONTROL_ERROR


# Floods


async def test_j1_streams_that_are_reset_at_once(stage: ProxyFixture) -> None:
    client = await http2(stage)
    block = client.connection.encoder.encode(GET)
    rush = b"".join(
        frames.headers(number, block, end_stream=True) + frames.rst_stream(number, frames.CANCEL)
        for number in range(1, 4001, 2)
    )
    await client.wire.send(rush)
    assert await client.until_goaway() == CALM
    assert stage.pool.leases.counters().in_flight == 0


async def test_j1_streams_that_the_proxy_must_reset_for_their_faults(stage: ProxyFixture) -> None:
    client = await http2(stage)
    block = client.connection.encoder.encode(POST)
    faults = [frames.headers(number, block, end_stream=False) + frames.window_update(number, 0) for number in ODD]
    await client.wire.send(b"".join(faults))
    assert last_frame(await client.wire.rest()) == (frames.GOAWAY, CALM)
    assert stage.pool.leases.counters().in_flight == 0


def last_frame(said: bytes) -> tuple[int, int]:
    """The type of the last frame, and the code of a GOAWAY."""
    at = kind = code = 0
    while at < len(said):
        kind, code = said[at + 3], frames.read_long(said, at + frames.HEADER_SIZE + 4)
        at += frames.HEADER_SIZE + int.from_bytes(said[at : at + 3], "big")
    return kind, code


async def test_j2_a_header_block_without_an_end(stage: ProxyFixture) -> None:
    client = await http2(stage)
    await client.raw(frames.HEADERS, 0, 1, b"")
    for _ in range(40):
        await client.raw(frames.CONTINUATION, 0, 1, b"")
    assert await client.until_goaway() == CALM


async def test_j2_a_header_block_that_takes_too_long(stage: ProxyFixture) -> None:
    client = await http2(stage)
    await client.raw(frames.HEADERS, 0, 1, b"")
    await client.wire.send(frames.frame(frames.CONTINUATION, 0, 1, b""))
    await client.read()
    await wait_until_async(lambda: any(has_open_block(connection) for connection in stage.server.context.connections))
    stage.seconds_pass(12)
    assert await client.until_goaway() == CALM


def has_open_block(connection: object) -> bool:
    return isinstance(connection, Http2ClientConnection) and connection._block.is_open


@pytest.mark.parametrize(
    ("kind", "payload", "stream_id"),
    [
        (frames.PING, bytes(8), 0),
        (frames.SETTINGS, b"", 0),
        (frames.PRIORITY, bytes(5), 1),
        (0x77, b"unknown", 0),
    ],
    ids=["ping", "settings", "priority", "unknown"],
)
async def test_j3_frames_that_ask_for_nothing(stage: ProxyFixture, kind: int, payload: bytes, stream_id: int) -> None:
    client = await http2(stage)
    await client.wire.send(frames.frame(kind, 0, stream_id, payload) * 1100)
    assert await client.until_goaway() == CALM


async def test_j3_a_window_that_opens_byte_by_byte(stage: ProxyFixture) -> None:
    body = bytes(100_000)
    stage.backend.play(answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    client = await http2(stage)
    client.acknowledges = False
    stream_id = await client.ask(GET)
    while len(client.heard[stream_id].body) < 65_535:
        await client.read()
    await client.wire.send(frames.window_update(0, 100_000) + frames.window_update(stream_id, 1) * 1100)
    assert last_frame(await client.wire.rest()) == (frames.GOAWAY, CALM)


async def test_j4_a_header_list_that_grows_by_its_decoding(stage: ProxyFixture) -> None:
    client = await http2(stage)
    encoder = client.connection.encoder
    first = encoder.encode([*GET, (b"x-bomb", b"a" * 3000)])
    bomb = encoder.encode(GET) + b"\xbe" * 12  # the newest entry of the dynamic table, twelve times
    await client.wire.send(frames.headers(1, first, end_stream=True) + frames.headers(3, bomb, end_stream=True))
    assert await client.until_goaway() == CALM


async def test_j5_data_frames_without_data(stage: ProxyFixture) -> None:
    client = await http2(stage)
    await client.wire.send(
        frames.headers(1, client.connection.encoder.encode(POST), end_stream=False)
        + frames.frame(frames.DATA, 0, 1, b"") * 1200
    )
    assert await client.until_goaway() == CALM


# Windows


@pytest.mark.parametrize(
    ("stream_id", "increment", "code"), [(0, 0, PROTOCOL), (0, frames.MAX_WINDOW, FLOW)], ids=["zero", "overflow"]
)
async def test_j6_the_window_of_the_connection(stage: ProxyFixture, stream_id: int, increment: int, code: int) -> None:
    client = await http2(stage)
    await client.wire.send(frames.window_update(stream_id, increment))
    assert await client.until_goaway() == code


@pytest.mark.parametrize(("increment", "code"), [(0, PROTOCOL), (frames.MAX_WINDOW, FLOW)], ids=["zero", "overflow"])
async def test_j6_the_window_of_a_stream(stage: ProxyFixture, increment: int, code: int) -> None:
    client = await http2(stage)
    stream_id = await client.open(POST)
    await client.wire.send(frames.window_update(stream_id, increment))
    assert (await client.until_over(stream_id)).reset == code


async def test_j7_more_data_than_the_window_allows(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open(POST)
    await client.wire.send(frames.frame(frames.DATA, 0, stream_id, bytes(16384)) * 5)
    assert (await client.until_over(stream_id)).reset == FLOW


async def test_j7_a_reader_that_stops_stops_its_own_stream_alone(stage: ProxyFixture) -> None:
    body = bytes(range(256)) * 4000
    stage.backend.play(answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    client = await http2(stage)
    client.acknowledges = False
    stuck = await client.ask(GET)
    while len(client.heard[stuck].body) < 65_535:
        await client.read()
    client.connection.increment_flow_control_window(2 * len(body))
    client.acknowledges = True
    other = await client.answer(GET)
    assert other.body == body
    assert len(client.heard[stuck].body) == 65_535
    assert not client.heard[stuck].ended


# Requests


@pytest.mark.parametrize(
    "fields",
    [
        [*GET[:2], *GET[3:]],
        GET[1:],
        [GET[0], *GET[2:]],
        [*GET, GET[0]],
        [*GET, (b":status", b"200")],
        [(b"a", b"b"), *GET],
        [*GET, (b"Upper", b"case")],
        [*GET, (b"a b", b"c")],
        [*GET, (b"", b"c")],
        [*GET, (b"a", b"b\r\nc: d")],
        [*GET, (b"a", b"b\nc")],
        [*GET, (b"a", b"b\0")],
        [*GET, (b"a", b" b")],
        [*GET, (b"connection", b"close")],
        [*GET, (b"keep-alive", b"timeout=1")],
        [*GET, (b"proxy-connection", b"close")],
        [*GET, (b"transfer-encoding", b"chunked")],
        [*GET, (b"upgrade", b"websocket")],
        [*GET, (b"te", b"gzip")],
        [*GET, (b"content-length", b"1")],
        [*GET, (b"content-length", b"+0")],
        [*GET, (b"content-length", b"0"), (b"content-length", b"1")],
        [(b":method", b"GE T"), *GET[1:]],
    ],
)
async def test_j8_a_malformed_request_is_reset(stage: ProxyFixture, fields: list[tuple[bytes, bytes]]) -> None:
    client = await http2(stage)
    assert (await client.answer(fields)).reset == PROTOCOL
    assert stage.backend.untouched()
    stage.backend.play(answers(OK))
    assert (await client.answer(GET)).status == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([*GET, (b"host", b"other.test")], 400),
        (GET[:3], 400),
        ([*GET[:3], (b":authority", b"")], 400),
        ([*GET[:3], (b":authority", b"user@shop.test")], 400),
        ([*GET[:3], (b":authority", b"\t")], 400),
        ([*GET[:3], (b":authority", b" shop.test")], 400),
        ([*GET[:2], (b":path", b"no/slash"), GET[3]], 400),
        ([*GET[:2], (b":path", b"/a b"), GET[3]], 400),
        ([*GET[:2], (b":path", b"/ HTTP/1.1\r\nx: y"), GET[3]], 400),
        ([*GET[:2], (b":path", b"*"), GET[3]], 400),
        ([(b":method", b"CONNECT"), GET[3]], 405),
        ([*GET, (b"expect", b"a miracle")], 417),
    ],
)
async def test_j9_a_request_that_http_1_would_refuse_too(
    stage: ProxyFixture, fields: list[tuple[bytes, bytes]], status: int
) -> None:
    client = await http2(stage)
    heard = await client.answer(fields)
    assert heard.status == status
    assert heard.fields[b"x-composectl-error"]
    assert stage.backend.untouched()


@pytest.mark.parametrize("body", [b"four", b"sixsix"])
async def test_j10_a_body_of_another_length_is_reset(stage: ProxyFixture, body: bytes) -> None:
    client = await http2(stage)
    assert (await client.answer([*POST, (b"content-length", b"5")], body)).reset == PROTOCOL


# Streams


@pytest.mark.parametrize("stream_id", [2, 0])
async def test_j11_a_stream_with_a_wrong_number(stage: ProxyFixture, stream_id: int) -> None:
    client = await http2(stage)
    block = client.connection.encoder.encode(GET)
    await client.wire.send(frames.headers(stream_id, block, end_stream=True))
    assert await client.until_goaway() == PROTOCOL


async def test_j11_a_stream_that_is_closed(stage: ProxyFixture) -> None:
    stage.backend.play(answers(OK))
    client = await http2(stage)
    assert (await client.answer(GET)).status == 200
    block = client.connection.encoder.encode(GET)
    await client.wire.send(frames.headers(1, block, end_stream=True))
    assert await client.until_goaway() == frames.STREAM_CLOSED


@pytest.mark.parametrize("kind", [frames.DATA, frames.RST_STREAM, frames.WINDOW_UPDATE])
async def test_j11_a_stream_that_was_never_open(stage: ProxyFixture, kind: int) -> None:
    client = await http2(stage)
    await client.raw(kind, 0, 7, b"\0\0\0\1")
    assert await client.until_goaway() == PROTOCOL


async def test_j12_more_streams_than_are_offered(stage: ProxyFixture) -> None:
    client = await http2(stage)  # which reads nothing yet, and so does not know of the limit
    opened = [await client.open(POST) for _ in range(MAX_STREAMS + 1)]
    assert (await client.until_over(opened[-1])).reset == frames.REFUSED_STREAM
    assert all(client.heard[stream_id].reset is None for stream_id in opened[:-1])


# Frames


@pytest.mark.parametrize(
    ("kind", "flags", "stream_id", "payload", "code"),
    [
        (frames.SETTINGS, 0, 1, b"", PROTOCOL),
        (frames.SETTINGS, 0, 0, b"12345", frames.FRAME_SIZE_ERROR),
        (frames.SETTINGS, frames.ACK, 0, bytes(6), frames.FRAME_SIZE_ERROR),
        (frames.SETTINGS, 0, 0, b"\0\2\0\0\0\2", PROTOCOL),
        (frames.SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff", FLOW),
        (frames.SETTINGS, 0, 0, b"\0\5\0\0\0\1", PROTOCOL),
        (frames.PING, 0, 0, b"1234567", frames.FRAME_SIZE_ERROR),
        (frames.PING, 0, 1, bytes(8), PROTOCOL),
        (frames.GOAWAY, 0, 0, b"1234567", frames.FRAME_SIZE_ERROR),
        (frames.RST_STREAM, 0, 0, bytes(4), PROTOCOL),
        (frames.RST_STREAM, 0, 1, bytes(3), frames.FRAME_SIZE_ERROR),
        (frames.WINDOW_UPDATE, 0, 0, bytes(3), frames.FRAME_SIZE_ERROR),
        (frames.PUSH_PROMISE, 0, 1, bytes(4), PROTOCOL),
        (frames.CONTINUATION, 0, 1, b"", PROTOCOL),
        (frames.DATA, 0, 0, b"x", PROTOCOL),
        (frames.HEADERS, frames.END_HEADERS | frames.PADDED, 1, b"\x05abc", PROTOCOL),
        (frames.HEADERS, frames.END_HEADERS | frames.PRIORITY_FLAG, 1, b"\0\0\0", frames.FRAME_SIZE_ERROR),
        (frames.HEADERS, frames.END_HEADERS | frames.PRIORITY_FLAG, 1, b"\0\0\0\1\0", PROTOCOL),
        (frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff", frames.COMPRESSION_ERROR),
    ],
)
async def test_j13_a_bad_frame_ends_the_connection(
    stage: ProxyFixture, kind: int, flags: int, stream_id: int, payload: bytes, code: int
) -> None:
    client = await http2(stage)
    await client.raw(kind, flags, stream_id, payload)
    assert await client.until_goaway() == code


async def test_j13_a_frame_that_is_too_large(stage: ProxyFixture) -> None:
    client = await http2(stage)
    await client.wire.send(b"\0\x40\1\0\0\0\0\0\1")
    assert await client.until_goaway() == frames.FRAME_SIZE_ERROR


async def test_j13_a_header_block_that_is_interrupted(stage: ProxyFixture) -> None:
    client = await http2(stage)
    await client.raw(frames.HEADERS, 0, 1, b"")
    await client.raw(frames.PING, 0, 0, bytes(8))
    assert await client.until_goaway() == PROTOCOL


async def test_j13_a_connection_that_does_not_begin_with_settings(stage: ProxyFixture) -> None:
    client = Http2Client(await stage.client())
    client.connection.initiate_connection()
    await client.wire.send(frames.PREFACE + frames.frame(frames.PING, 0, 0, bytes(8)))
    assert await client.until_goaway() == PROTOCOL


# Clients that leave


async def test_f1_a_client_that_half_closes_and_takes_nothing(stage: ProxyFixture) -> None:
    client = Http2Client(await stage.client(receive_buffer=4096))
    await client.start()
    await client.raw(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1))
    await client.raw(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - 65535))
    is_full = asyncio.Event()

    async def gives_without_end(wire: RawConnection) -> None:
        if not (await wire.head()).startswith(b"PRI "):
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            await fill(wire)
            is_full.set()
            await wire.rest()
        wire.close()

    stage.backend.play(gives_without_end)
    await client.ask(GET)
    async with asyncio.timeout(PATIENCE):
        await is_full.wait()
    client.wire.half_close()
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight, within=10)
    stage.seconds_pass(77)
    await wait_until_async(lambda: not stage.server.context.connections, within=10)
