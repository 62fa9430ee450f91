"""How connections and streams end: the proxy's end, a handover, and a backend that leaves or is cut."""

from __future__ import annotations

import asyncio

import pytest

from composectl.proxy.http2 import frames
from tests.support.backends import answers
from tests.support.http2_backend import OK
from tests.support.http2_client import GET, POST, Http2Client
from tests.support.http2_stage import http2, wire_of
from tests.support.messages import OK as HTTP1_OK
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import PATIENCE, RawConnection

GOAWAY_AT_FIRST = (frames.GOAWAY, 0, 0, b"\x7f\xff\xff\xff" + bytes(4))


async def next_frame(wire: RawConnection) -> tuple[int, int, int, bytes]:
    """Its type, flags, stream and payload."""
    head = await wire.exactly(frames.HEADER_SIZE)
    payload = await wire.exactly(int.from_bytes(head[:3], "big"))
    return head[3], head[4], frames.read_long(head, 5), payload


async def frame_of(wire: RawConnection, *kinds: int) -> tuple[int, int, int, bytes]:
    """The next of these types."""
    while (frame := await next_frame(wire))[0] not in kinds:
        pass
    return frame


async def raw_client(stage: ProxyFixture) -> tuple[RawConnection, Http2Client]:
    """A client whose frames the test reads itself; the other one encodes its requests."""
    client = await http2(stage)
    await client.wire.send(frames.headers(1, client.connection.encoder.encode(GET), end_stream=True))
    assert (await frame_of(client.wire, frames.HEADERS))[2] == 1
    return client.wire, client


async def end_by_shutdown(stage: ProxyFixture) -> None:
    await stage.shut_down()


async def end_by_handover(stage: ProxyFixture) -> None:
    await stage.server.drain_connections(PATIENCE)


@pytest.mark.parametrize("end", [end_by_shutdown, end_by_handover], ids=["end", "handover"])
async def test_j18_the_end_is_told_twice_so_that_no_stream_on_its_way_is_lost(stage: ProxyFixture, end: object) -> None:
    stage.backend.play(answers(HTTP1_OK))
    wire, client = await raw_client(stage)
    ending = asyncio.create_task(end(stage))  # type: ignore[operator]
    assert await frame_of(wire, frames.GOAWAY) == GOAWAY_AT_FIRST
    kind, flags, _, payload = await next_frame(wire)
    assert (kind, flags) == (frames.PING, 0)
    on_its_way = frames.headers(3, client.connection.encoder.encode(GET), end_stream=True)
    await wire.send(on_its_way + frames.frame(frames.PING, frames.ACK, 0, payload))
    first, second = (
        await frame_of(wire, frames.GOAWAY, frames.HEADERS),
        await frame_of(wire, frames.GOAWAY, frames.HEADERS),
    )
    assert sorted((first[0], second[0])) == [frames.HEADERS, frames.GOAWAY]
    answered, last = sorted((first, second))
    assert answered[2] == 3
    assert last == (frames.GOAWAY, 0, 0, b"\0\0\0\x03" + bytes(4))
    await wire.rest()
    await asyncio.wait_for(ending, PATIENCE)


async def test_j18_a_client_that_does_not_answer_the_ping_has_a_second(stage: ProxyFixture) -> None:
    stage.backend.play(answers(HTTP1_OK))
    wire, _ = await raw_client(stage)
    ending = asyncio.create_task(stage.shut_down())
    assert await frame_of(wire, frames.GOAWAY) == GOAWAY_AT_FIRST
    assert (await frame_of(wire, frames.GOAWAY))[3][:4] == b"\0\0\0\x01"
    await wire.rest()
    await asyncio.wait_for(ending, PATIENCE)


async def test_j18_streams_in_flight_end_before_their_connection(stage: ProxyFixture) -> None:
    client = await http2(stage)
    await client.wire.send(frames.headers(1, client.connection.encoder.encode(GET), end_stream=True))
    backend = await wire_of(stage)
    asked = await backend.request()
    ending = asyncio.create_task(stage.shut_down())
    assert await frame_of(client.wire, frames.GOAWAY) == GOAWAY_AT_FIRST
    await client.raw(frames.PING, frames.ACK, 0, (await next_frame(client.wire))[3])
    assert (await frame_of(client.wire, frames.GOAWAY))[3][:4] == b"\0\0\0\x01"
    await backend.answer(asked.stream_id, OK, b"whole", [(b"grpc-status", b"0")])
    assert (await frame_of(client.wire, frames.DATA))[3] == b"whole"
    assert (await frame_of(client.wire, frames.HEADERS))[1] & frames.END_STREAM
    await client.wire.rest()
    await asyncio.wait_for(ending, PATIENCE)


async def test_j18_an_idle_client_is_told_too(stage: ProxyFixture) -> None:
    stage.backend.play(answers(HTTP1_OK))
    wire, _ = await raw_client(stage)
    stage.seconds_pass(76)
    assert await frame_of(wire, frames.GOAWAY) == GOAWAY_AT_FIRST


async def test_j19_a_backend_that_drains_finishes_its_streams_and_gets_no_others(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    client = await http2(stage)
    in_flight = await client.ask(POST, b"slow")
    leaving = await wire_of(stage, 0)
    asked = await leaving.request()
    stage.leave(0)
    others = [await client.ask(GET) for _ in range(4)]
    staying = await wire_of(stage, 1)
    for number in range(4):
        await staying.answer((await staying.request(number)).stream_id, OK, b"other")
    assert [(await client.until_over(stream_id)).body for stream_id in others] == [b"other"] * 4
    assert len(leaving.asked) == 1
    await leaving.answer(asked.stream_id, OK, b"done", [(b"grpc-status", b"0")])
    heard = await client.until_over(in_flight)
    assert (heard.body, heard.trailers) == (b"done", {b"grpc-status": b"0"})
    await leaving.read()
    assert leaving.goaway == frames.NO_ERROR
    while not leaving.closed:
        await leaving.read()


async def test_j19_what_is_cut_are_the_streams_of_that_backend_alone(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    client = await http2(stage)
    first, other = await client.ask(GET), await client.ask(GET)
    wires = [await wire_of(stage, number) for number in range(2)]
    asked = [await wire.request() for wire in wires]
    stage.server.cut(stage.pool.backends[0])
    assert (await client.until_over(first)).reset == frames.CANCEL
    while asked[0].reset is None:
        await wires[0].read()
    assert asked[0].reset == frames.CANCEL
    await wires[1].answer(asked[1].stream_id, OK, b"untouched")
    assert (await client.until_over(other)).body == b"untouched"
    assert stage.pool.leases.failed_for == {"cut": 1}


async def test_j19_a_stream_that_has_begun_is_left_to_a_backend_that_can_end_it(stage: ProxyFixture) -> None:
    client = await http2(stage)
    begun = await client.ask(GET)
    waiting = await client.ask(GET)
    wire = await wire_of(stage)
    first = await wire.request()
    await wire.request(1)
    wire.connection.send_headers(first.stream_id, OK)
    await wire.flush()
    while not client.heard[begun].status:
        await client.read()
    stage.server.cut(stage.pool.backends[0], spare_streams=True)
    assert (await client.until_over(waiting)).reset == frames.CANCEL
    wire.connection.send_data(first.stream_id, b"the end", end_stream=True)
    await wire.flush()
    assert (await client.until_over(begun)).body == b"the end"


async def test_j19_a_backend_that_goes_away_gets_no_further_streams(stage: ProxyFixture) -> None:
    client = await http2(stage)
    in_flight = await client.ask(GET)
    wire = await wire_of(stage)
    asked = await wire.request()
    await wire.wire.send(frames.goaway(frames.MAX_STREAM_ID, frames.NO_ERROR))
    await wire.wire.send(frames.frame(frames.PING, 0, 0, bytes(8)))
    while not wire.pongs:  # it has read what came before
        await wire.read()
    later = await client.ask(GET)
    other = await wire_of(stage)
    await other.answer((await other.request()).stream_id, OK, b"later")
    assert (await client.until_over(later)).body == b"later"
    await wire.answer(asked.stream_id, OK, b"first")
    assert (await client.until_over(in_flight)).body == b"first"
    while not wire.closed:
        await wire.read()
