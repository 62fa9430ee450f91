"""Backends that speak HTTP/2, well and badly; the library h2 judges what the proxy sends to both sides."""

from __future__ import annotations

import asyncio

import pytest

from composectl.proxy.connection_pool import ConnectionPool
from composectl.proxy.http2 import frames
from composectl.proxy.http2.connection_pool import Http2ConnectionPool
from tests.support.backends import answers
from tests.support.http2_backend import OK, Fields, Http2Wire, speaks_http2
from tests.support.http2_client import GET, POST, Heard
from tests.support.http2_stage import http2, wire_of
from tests.support.messages import GET as HTTP1_GET
from tests.support.messages import OK as HTTP1_OK
from tests.support.proxy_fixture import OpenStage, ProxyFixture

LARGE = bytes(range(256)) * 1600


async def told(stage: ProxyFixture, script: object, fields: Fields = GET, body: bytes | None = None) -> Heard:
    """What a client hears when every connection to the backend is played by `script`."""
    stage.backend.play(speaks_http2(script))  # type: ignore[arg-type]
    return await (await http2(stage)).answer(fields, body)


async def test_a_request_and_its_response_arrive_whole(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.ask(
        [*POST, (b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"te", b"trailers")], LARGE[:16_000]
    )
    wire = await wire_of(stage)
    asked = await wire.request()
    assert asked.body == LARGE[:16_000]
    assert asked.fields[b":authority"] == b"shop.test"
    assert asked.fields[b"cookie"] == b"a=b; c=d"
    assert asked.fields[b"te"] == b"trailers"
    assert asked.fields[b"x-forwarded-for"] == b"127.0.0.1"
    await wire.answer(asked.stream_id, [*OK, (b"x", b"y")], b"body", [(b"grpc-status", b"0")])
    heard = await client.until_over(stream_id)
    assert (heard.status, heard.body, heard.trailers) == (200, b"body", {b"grpc-status": b"0"})
    assert heard.fields[b"x-internal-service"] == stage.backend.address.encode()


async def test_many_streams_share_one_connection(stage: ProxyFixture) -> None:
    client = await http2(stage)
    streams = [await client.ask(GET) for _ in range(50)]
    wire = await wire_of(stage)
    for number in reversed(range(50)):
        asked = await wire.request(number)
        await wire.answer(asked.stream_id, OK, b"%d" % number)
    heard = [await client.until_over(stream_id) for stream_id in streams]
    assert [bytes(each.body) for each in heard] == [b"%d" % number for number in range(50)]
    assert len(stage.backend.wires) == 1


async def test_a_backend_that_allows_one_stream_gets_more_connections(stage: ProxyFixture) -> None:
    async def one_at_a_time(wire: Http2Wire) -> None:
        wire.connection.update_settings({frames.SETTINGS_MAX_CONCURRENT_STREAMS: 1})
        await wire.flush()
        number = 0
        while not wire.closed:
            asked = await wire.request(number)
            number += 1
            await wire.answer(asked.stream_id, OK, b"ok")

    stage.backend.play(speaks_http2(one_at_a_time))
    client = await http2(stage)
    assert (await client.answer(GET)).status == 200
    streams = [await client.ask(GET) for _ in range(5)]
    assert [(await client.until_over(stream_id)).status for stream_id in streams] == [200] * 5


async def test_a_stream_that_comes_as_the_only_one_is_taken_gets_a_connection(stage: ProxyFixture) -> None:
    async def one_stream(wire: Http2Wire) -> None:
        wire.connection.update_settings({frames.SETTINGS_MAX_CONCURRENT_STREAMS: 1})
        await wire.flush()
        while not wire.closed:
            await wire.read()

    stage.backend.play(speaks_http2(one_stream))
    [backend] = stage.pool.backends
    connections = Http2ConnectionPool(ConnectionPool(stage.backend.port))
    first = asyncio.create_task(connections.dial_http2(backend))
    while backend not in connections._dialing or not connections._dialing[backend].done():  # noqa: ASYNC110 - the moment before its callbacks
        await asyncio.sleep(0)
    # The connection is there, and what is to be called for that has not been called
    streams = [await connections.dial_http2(backend) for _ in range(2)] + [await first]
    assert all(streams)
    assert len(connections._connections[backend]) == 3
    connections.close()


async def test_an_upload_is_as_fast_as_the_backend_takes_it(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open(POST)
    wire = await wire_of(stage)
    wire.acknowledges = False
    sent = 0

    async def upload() -> None:
        nonlocal sent
        while sent < len(LARGE):
            room = min(client.connection.local_flow_control_window(stream_id), len(LARGE) - sent, 16_384)
            if room:
                client.connection.send_data(stream_id, LARGE[sent : sent + room], end_stream=sent + room == len(LARGE))
                sent += room
                await client.flush()
            else:
                await client.read()

    uploading = asyncio.create_task(upload())
    asked = await wire.request(whole=False)
    while len(asked.body) < 65_535:
        await wire.read()
    assert sent <= 3 * 65_535
    wire.acknowledges = True
    wire.connection.increment_flow_control_window(len(LARGE))
    wire.connection.increment_flow_control_window(len(LARGE), asked.stream_id)
    await wire.flush()
    assert (await wire.request()).body == LARGE
    await uploading
    await wire.answer(asked.stream_id, OK)
    assert (await client.until_over(stream_id)).status == 200


async def test_a_client_that_leaves_resets_its_stream_alone(stage: ProxyFixture) -> None:
    client = await http2(stage)
    left, stays = await client.ask(GET), await client.ask(GET)
    wire = await wire_of(stage)
    first, other = await wire.request(0), await wire.request(1)
    client.connection.reset_stream(left, frames.CANCEL)
    await client.flush()
    while first.reset is None:
        await wire.read()
    assert first.reset == frames.CANCEL
    await wire.answer(other.stream_id, OK, b"ok")
    assert (await client.until_over(stays)).body == b"ok"


async def test_the_backend_is_not_named_where_it_is_not_to_be(open_stage: OpenStage) -> None:
    stage = await open_stage(identify=False)
    client = await http2(stage)
    stream_id = await client.ask(GET)
    wire = await wire_of(stage)
    await wire.answer((await wire.request()).stream_id, OK)
    assert b"x-internal-service" not in (await client.until_over(stream_id)).fields


async def test_the_connection_to_a_backend_that_leaves_is_closed_behind_its_last_stream(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.ask(GET)
    wire = await wire_of(stage)
    asked = await wire.request()
    stage.leave(0)
    await wire.answer(asked.stream_id, OK, b"last")
    assert (await client.until_over(stream_id)).body == b"last"
    while not wire.closed:
        await wire.read()


async def test_what_a_backend_speaks_is_forgotten_with_it(stage: ProxyFixture) -> None:
    stage.backend.play(answers(HTTP1_OK))
    client = await http2(stage)
    assert [(await client.answer(GET)).status for _ in range(3)] == [200] * 3
    assert len(stage.backend.wires) == 2  # the question, and HTTP/1.1
    stage.observe([], run="second")
    stage.observe([0], run="second")
    assert (await client.answer(GET)).status == 200
    assert len(stage.backend.wires) == 4


# What may be sent again


async def test_a_stream_that_is_refused_goes_to_another_backend_post_or_not(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    client = await http2(stage)
    stream_id = await client.ask(POST, b"precious")
    wire = await wire_of(stage, 0)
    asked = await wire.request()
    wire.connection.reset_stream(asked.stream_id, frames.REFUSED_STREAM)
    await wire.flush()
    other = await wire_of(stage, 1)
    again = await other.request()
    assert again.body == b"precious"
    await other.answer(again.stream_id, OK, b"ok")
    assert (await client.until_over(stream_id)).body == b"ok"


async def test_a_stream_behind_goaway_goes_to_another_connection(stage: ProxyFixture) -> None:
    client = await http2(stage)
    streams = [await client.ask(POST, b"first"), await client.ask(POST, b"second")]
    wire = await wire_of(stage)
    first = await wire.request(0)
    await wire.request(1)
    wire.connection.close_connection(last_stream_id=first.stream_id)
    await wire.flush()
    other = await wire_of(stage)
    again = await other.request()
    assert again.body == b"second"
    await other.answer(again.stream_id, OK, b"2")
    await wire.wire.send(frames.headers(first.stream_id, b"\x88", end_stream=True))
    assert [(await client.until_over(stream_id)).status for stream_id in streams] == [200, 200]


async def test_a_reset_before_the_response_fails_a_post_and_not_a_get(open_stage: OpenStage) -> None:
    stage = await open_stage(2)

    async def resets(wire: Http2Wire) -> None:
        number = 0
        while not wire.closed:
            asked = await wire.request(number)
            number += 1
            wire.connection.reset_stream(asked.stream_id, frames.INTERNAL_ERROR)
            await wire.flush()

    async def serves(wire: Http2Wire) -> None:
        number = 0
        while not wire.closed:
            asked = await wire.request(number)
            number += 1
            await wire.answer(asked.stream_id, OK, b"ok")

    stage.backends[0].play(speaks_http2(resets))
    stage.backends[1].play(speaks_http2(serves))
    client = await http2(stage)
    heard = await client.answer(POST, b"x")
    assert (heard.status, heard.fields[b"x-composectl-error"]) == (502, b"backend-hung-up")
    assert [(await client.answer(GET)).status for _ in range(4)] == [200] * 4


# Bad responses


@pytest.mark.parametrize(
    "fields",
    [
        [(b":status", b"20")],
        [(b":status", b"999")],
        [(b"x", b"y")],
        [*OK, (b"Upper", b"case")],
        [*OK, (b"connection", b"close")],
        [*OK, (b"a", b"b\r\nc: d")],
        [*OK, (b"transfer-encoding", b"chunked")],
        [(b":status", b"101")],
    ],
)
async def test_a_malformed_head_is_a_502(stage: ProxyFixture, fields: Fields) -> None:
    async def answers_badly(wire: Http2Wire) -> None:
        asked = await wire.request()
        block = wire.connection.encoder.encode(fields)
        await wire.wire.send(frames.headers(asked.stream_id, block, end_stream=True))
        while not wire.closed:
            await wire.read()

    heard = await told(stage, answers_badly, POST, b"x")
    assert heard.status == 502
    assert heard.fields[b"x-composectl-error"]


@pytest.mark.parametrize("body", [b"four", b"sixsix"])
async def test_a_body_of_another_length_is_broken_off(stage: ProxyFixture, body: bytes) -> None:
    async def answers_badly(wire: Http2Wire) -> None:
        asked = await wire.request()
        head = wire.connection.encoder.encode([*OK, (b"content-length", b"5")])
        await wire.wire.send(
            frames.headers(asked.stream_id, head, end_stream=False)
            + frames.frame(frames.DATA, frames.END_STREAM, asked.stream_id, body)
        )
        while not wire.closed:
            await wire.read()

    heard = await told(stage, answers_badly, POST, b"x")
    assert heard.status == 502 or heard.reset is not None
    assert not heard.ended or heard.status == 502


async def test_interim_responses_pass(stage: ProxyFixture) -> None:
    async def answers_late(wire: Http2Wire) -> None:
        asked = await wire.request()
        wire.connection.send_headers(asked.stream_id, [(b":status", b"103"), (b"link", b"</a>")])
        await wire.answer(asked.stream_id, OK, b"ok")

    heard = await told(stage, answers_late)
    assert (heard.interims, heard.status, heard.body) == ([b"103"], 200, b"ok")


async def test_a_push_ends_the_connection_to_the_backend(stage: ProxyFixture) -> None:
    async def pushes(wire: Http2Wire) -> None:
        asked = await wire.request()
        await wire.wire.send(frames.frame(frames.PUSH_PROMISE, frames.END_HEADERS, asked.stream_id, b"\0\0\0\2\x82"))
        while not wire.closed:
            await wire.read()

    assert (await told(stage, pushes, POST, b"x")).status == 502


async def test_a_response_that_breaks_off_is_reset(stage: ProxyFixture) -> None:
    async def breaks_off(wire: Http2Wire) -> None:
        asked = await wire.request()
        wire.connection.send_headers(asked.stream_id, [*OK, (b"content-length", b"10")])
        wire.connection.send_data(asked.stream_id, b"five!")
        await wire.flush()
        wire.wire.close()

    heard = await told(stage, breaks_off)
    assert (heard.status, bytes(heard.body)) == (200, b"five!")
    assert heard.reset == frames.INTERNAL_ERROR


async def test_an_early_response_needs_no_rest_of_the_request(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open(POST)
    wire = await wire_of(stage)
    asked = await wire.request(whole=False)
    await wire.answer(asked.stream_id, [(b":status", b"413")])
    heard = await client.until_over(stream_id)
    assert heard.status == 413
    while asked.reset is None:
        await wire.read()
    assert asked.reset == frames.NO_ERROR


async def test_http_1_clients_of_such_a_backend_are_told(stage: ProxyFixture) -> None:
    async def waits(wire: Http2Wire) -> None:
        while not wire.closed:
            await wire.read()

    stage.backend.play(speaks_http2(waits))
    client = await stage.client()
    await client.send(HTTP1_GET)
    assert b"X-Composectl-Error: backend-speaks-http2" in await client.head()
