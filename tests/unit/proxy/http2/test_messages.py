"""What a message of one protocol becomes in the other one: bodies, interim responses, expectations, large heads."""

from __future__ import annotations

import pytest

from composectl.balance.policy import Source
from composectl.proxy.http2 import frames
from composectl.proxy.limits import QueueConfig
from tests.support.backends import answers
from tests.support.http2_backend import OK, Fields, Http2Wire, speaks_http2
from tests.support.http2_client import GET, POST
from tests.support.http2_stage import http2, wire_of
from tests.support.messages import OK as HTTP1_OK
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async

HEAD = [(b":method", b"HEAD"), *GET[1:]]
LARGE_FIELDS = [(b"x-%d" % number, b"%d" % number * 2000) for number in range(9)]


async def http1_of(stage: ProxyFixture) -> tuple[RawConnection, bytes]:
    """The connection of HTTP/1.1 that the proxy makes once the preface was not understood, and the request's head."""
    question = await stage.backend.accept()
    await question.head()
    question.close()
    backend = await stage.backend.accept()
    return backend, await backend.head()


def serves(fields: Fields, body: bytes = b"", trailers: Fields | None = None) -> object:
    """A backend of HTTP/2 that gives each request this answer."""

    async def script(wire: Http2Wire) -> None:
        number = 0
        while not wire.closed:
            asked = await wire.request(number)
            number += 1
            await wire.answer(asked.stream_id, fields, body, trailers)

    return speaks_http2(script)


# Bodies


@pytest.mark.parametrize(
    ("fields", "answer", "status", "length"),
    [
        (HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200, b"1000"),
        (GET, b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", 304, b"1000"),
        (GET, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"0"),
    ],
    ids=["head", "204", "304", "empty"],
)
async def test_j20_a_response_without_a_body_of_http_1(
    stage: ProxyFixture, fields: Fields, answer: bytes, status: int, length: bytes | None
) -> None:
    stage.backend.play(answers(answer))
    client = await http2(stage)
    for _ in range(2):
        heard = await client.answer(fields)
        assert (heard.status, heard.body, heard.fields.get(b"content-length")) == (status, b"", length)
        assert heard.reset is None


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        (HEAD, [*OK, (b"content-length", b"1000")]),
        (GET, [(b":status", b"204")]),
        (GET, [(b":status", b"304"), (b"content-length", b"1000")]),
        (GET, [*OK, (b"content-length", b"0")]),
    ],
    ids=["head", "204", "304", "empty"],
)
async def test_j20_a_response_without_a_body_of_http_2(stage: ProxyFixture, fields: Fields, answer: Fields) -> None:
    stage.backend.play(serves(answer))  # type: ignore[arg-type]
    client = await http2(stage)
    for _ in range(2):
        heard = await client.answer(fields)
        assert (heard.status, heard.body) == (int(answer[0][1]), b"")
        assert heard.fields.get(b"content-length") == dict(answer).get(b"content-length")


async def test_j20_a_response_that_is_all_trailers_stays_one_frame(stage: ProxyFixture) -> None:
    grpc = [*OK, (b"content-type", b"application/grpc"), (b"grpc-status", b"5"), (b"grpc-message", b"none")]
    stage.backend.play(serves(grpc))  # type: ignore[arg-type]
    client = await http2(stage)
    heard = await client.answer([*POST, (b"content-type", b"application/grpc")], b"x")
    assert (heard.fields[b"grpc-status"], heard.fields[b"grpc-message"]) == (b"5", b"none")
    assert (heard.body, heard.trailers) == (b"", {})


async def test_j20_trailers_of_http_1_arrive_whatever_te_says(stage: ProxyFixture) -> None:
    body = b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"
    stage.backend.play(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body))
    heard = await (await http2(stage)).answer(GET)
    assert (heard.body, heard.trailers) == (b"hi", {b"x-sum": b"1"})


async def test_j20_a_body_of_unknown_length_becomes_chunks_and_its_trailers_follow(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open([*POST, (b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"te", b"trailers")])
    client.connection.send_data(stream_id, b"body")
    client.connection.send_headers(stream_id, [(b"x-sum", b"1")], end_stream=True)
    await client.flush()
    backend, head = await http1_of(stage)
    assert b"\r\ncookie: a=b; c=d\r\n" in head
    assert b"\r\nTransfer-Encoding: chunked\r\n" in head
    assert b"\r\nConnection: TE\r\nTE: trailers\r\n" in head
    assert await backend.until(b"0\r\nx-sum: 1\r\n\r\n") == b"4\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n"
    await backend.send(HTTP1_OK)
    assert (await client.until_over(stream_id)).status == 200


# Interim responses


async def test_j20_an_expectation_and_its_100_pass_to_a_backend_of_http_1(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open([*POST, (b"expect", b"100-continue"), (b"content-length", b"4")])
    backend, head = await http1_of(stage)
    assert b"\r\nExpect: 100-continue\r\n" in head
    await backend.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    heard = client.heard[stream_id]
    while heard.interims != [b"103", b"100"]:
        await client.read()
    client.connection.send_data(stream_id, b"body", end_stream=True)
    await client.flush()
    assert await backend.exactly(4) == b"body"
    await backend.send(HTTP1_OK)
    assert (await client.until_over(stream_id)).status == 200


async def test_j20_an_expectation_and_its_100_pass_to_a_backend_of_http_2(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open([*POST, (b"expect", b"100-continue"), (b"content-length", b"4")])
    wire = await wire_of(stage)
    asked = await wire.request(whole=False)
    assert asked.fields[b"expect"] == b"100-continue"
    wire.connection.send_headers(asked.stream_id, [(b":status", b"100")])
    await wire.flush()
    while client.heard[stream_id].interims != [b"100"]:
        await client.read()
    client.connection.send_data(stream_id, b"body", end_stream=True)
    await client.flush()
    assert (await wire.request()).body == b"body"
    await wire.answer(asked.stream_id, OK)
    assert (await client.until_over(stream_id)).status == 200


async def test_j20_an_expectation_that_is_refused_needs_no_body(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open([*POST, (b"expect", b"100-continue"), (b"content-length", b"4")])
    backend, _ = await http1_of(stage)
    await backend.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    assert (await client.until_over(stream_id)).status == 413


# Large heads


async def test_j20_a_large_head_of_http_1_goes_on_in_several_frames(stage: ProxyFixture) -> None:
    lines = b"".join(b"%b: %b\r\n" % field for field in LARGE_FIELDS)
    stage.backend.play(answers(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nhi"))
    heard = await (await http2(stage)).answer(GET)
    assert [(name, heard.fields[name]) for name, _ in LARGE_FIELDS] == LARGE_FIELDS
    assert heard.body == b"hi"


async def test_j20_large_heads_pass_between_both_sides_of_http_2(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.ask([*GET, *LARGE_FIELDS])
    wire = await wire_of(stage)
    asked = await wire.request()
    assert [(name, asked.fields[name]) for name, _ in LARGE_FIELDS] == LARGE_FIELDS
    await wire.answer(asked.stream_id, [*OK, *LARGE_FIELDS], b"hi", LARGE_FIELDS[:1])
    heard = await client.until_over(stream_id)
    assert [(name, heard.fields[name]) for name, _ in LARGE_FIELDS] == LARGE_FIELDS
    assert heard.trailers == dict(LARGE_FIELDS[:1])


# Frames that ask for nothing


async def test_j21_pings_of_clients_and_backends_are_answered_while_nothing_else_happens(stage: ProxyFixture) -> None:
    stage.backend.play(serves(OK))  # type: ignore[arg-type]
    client = await http2(stage)
    assert (await client.answer(GET)).status == 200
    for second in range(60):
        client.connection.ping(b"%08d" % second)
        await client.flush()
        stage.seconds_pass(1)
        while client.pongs == second:
            await client.read()
    assert client.goaway is None
    assert (await client.answer(GET)).status == 200


async def test_j21_pings_of_a_backend_are_answered(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.ask(GET)
    wire = await wire_of(stage)
    asked = await wire.request()
    for number in range(100):
        wire.connection.ping(b"%08d" % number)
    await wire.flush()
    while wire.pongs < 100:
        await wire.read()
    await wire.answer(asked.stream_id, OK)
    assert (await client.until_over(stream_id)).status == 200


async def test_j21_priorities_and_unknown_frames_change_nothing(stage: ProxyFixture) -> None:
    stage.backend.play(serves(OK, b"ok"))  # type: ignore[arg-type]
    client = await http2(stage)
    await client.raw(frames.PRIORITY, 0, 1, b"\0\0\0\3\xff")
    await client.raw(0x10, 0, 0, b"\0\0\0\1u=1")  # PRIORITY_UPDATE (RFC 9218)
    await client.raw(0x77, 0xFF, 5, b"what is it")
    client.expect(1)
    block = client.connection.encoder.encode(GET)
    flags = frames.END_HEADERS | frames.END_STREAM | frames.PRIORITY_FLAG
    client.connection.send_headers(1, GET, end_stream=True)
    client.connection.data_to_send()
    await client.raw(frames.HEADERS, flags, 1, b"\x80\0\0\0\x0a" + block)
    assert (await client.until_over(1)).body == b"ok"


# By stream


async def test_j22_streams_of_one_client_stay_with_one_backend_where_that_is_asked_for(open_stage: OpenStage) -> None:
    stage = await open_stage(3, policy=Source)
    for backend in stage.backends:
        backend.play(serves(OK))  # type: ignore[arg-type]
    client = await http2(stage)
    named = {(await client.answer(GET)).fields[b"x-internal-service"] for _ in range(12)}
    assert len(named) == 1


async def test_j22_a_canary_gets_its_share_of_the_streams(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    for backend in stage.backends:
        backend.play(serves(OK))  # type: ignore[arg-type]
    stage.pool.leases.begin_canary({stage.replica(0).id}, 0.1)
    client = await http2(stage)
    named = [(await client.answer(GET)).fields[b"x-internal-service"] for _ in range(100)]
    assert 5 <= named.count(stage.backends[1].address.encode()) <= 15
    stage.pool.leases.end_canary()


async def test_j22_streams_wait_for_a_ready_backend_in_their_order(open_stage: OpenStage) -> None:
    stage = await open_stage(1, queue=QueueConfig(30))
    stage.backend.play(serves(OK, b"ok"))  # type: ignore[arg-type]
    stage.observe([])
    client = await http2(stage)
    waiting = [await client.ask(POST, b"%d" % number) for number in range(5)]
    await wait_until_async(lambda: stage.queue.queued == 5)
    client.connection.reset_stream(waiting.pop(), frames.CANCEL)
    await client.flush()
    await wait_until_async(lambda: stage.queue.queued == 4)
    stage.observe([0], run="second")
    assert [(await client.until_over(stream_id)).body for stream_id in waiting] == [b"ok"] * 4


async def test_j22_a_stream_that_has_waited_too_long_gets_a_status_of_its_own(open_stage: OpenStage) -> None:
    stage = await open_stage(1, queue=QueueConfig(5))
    stage.observe([])
    client = await http2(stage)
    page = await client.ask(GET)
    call = await client.ask([*POST, (b"content-type", b"application/grpc+proto")], b"x")
    await wait_until_async(lambda: stage.queue.queued == 2)
    stage.seconds_pass(7)
    assert (await client.until_over(page)).status == 503
    heard = await client.until_over(call)
    assert (heard.status, heard.fields[b"grpc-status"]) == (200, b"14")
    assert heard.fields[b"grpc-message"] == b"composectl: no-backend-ready"
