"""What a client does not take of its responses waits at the backends, beyond 1 MiB of all its streams."""

from __future__ import annotations

import asyncio

import pytest

from composectl.proxy.http2.client_connection import MAX_STREAMS, Http2ClientConnection
from composectl.proxy.http2.flow import FIRST_WINDOW, STREAM_WINDOW, WIDE_STREAMS
from tests.support.backends import Script
from tests.support.http2_backend import OK, Http2Wire, speaks_http2
from tests.support.http2_client import GET, Http2Client
from tests.support.http2_stage import http2, wire_of
from tests.support.proxy_fixture import ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async

BODY = bytes(range(256)) * 1200
MAX_HELD = 1024 * 1024
SMALL = [*GET[:2], (b":path", b"/small"), *GET[3:]]
SMALL_SIZE = 20_000
ONE_READ = 256 * 1024  # of a backend, which may come before it is paused


class Backends:
    """Scripts that answer with `BODY`, as HTTP/1.1 or as far as the windows of HTTP/2 allow it."""

    def __init__(self) -> None:
        self.asked = 0

    async def http1(self, wire: RawConnection) -> None:
        while head := await wire.head():
            if head.startswith(b"PRI "):
                break
            self.asked += 1
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)
        wire.close()

    async def http2(self, wire: Http2Wire) -> None:
        unsent: dict[int, bytes] = {}
        while not wire.closed:
            for stream_id, asked in wire.asked.items():
                if stream_id not in unsent:
                    self.asked += 1
                    unsent[stream_id] = BODY[:SMALL_SIZE] if asked.fields[b":path"] == b"/small" else BODY
                    wire.connection.send_headers(stream_id, OK)
                unsent[stream_id] = send_within(wire, stream_id, unsent[stream_id])
            await wire.flush()
            await wire.read()


def send_within(wire: Http2Wire, stream_id: int, data: bytes) -> bytes:
    """Send what the windows allow, and the end behind it; the rest."""
    while data and (size := min(wire.connection.local_flow_control_window(stream_id), 16_384, len(data))):
        wire.connection.send_data(stream_id, data[:size], end_stream=size == len(data))
        data = data[size:]
    return data


@pytest.fixture
def backends() -> Backends:
    return Backends()


@pytest.fixture(params=["http1", "http2"])
def script(request: pytest.FixtureRequest, backends: Backends) -> Script:
    return backends.http1 if request.param == "http1" else speaks_http2(backends.http2)


def held(connection: Http2ClientConnection) -> int:
    """Bytes that wait in the proxy for a client."""
    waiting = sum(len(piece) for flow in connection.flows() for piece in flow.pending)
    return waiting + connection.transport.get_write_buffer_size()


async def connection_of(stage: ProxyFixture) -> Http2ClientConnection:
    connections = stage.server.context.connections
    await wait_until_async(lambda: any(isinstance(each, Http2ClientConnection) for each in connections))
    (connection,) = (each for each in connections if isinstance(each, Http2ClientConnection))
    return connection


async def ask_many(client: Http2Client, count: int) -> list[int]:
    return [await client.ask(GET) for _ in range(count)]


async def at_rest(connection: Http2ClientConnection) -> int:
    """What is held once that does not change any more."""
    seen = -1
    while seen != held(connection):
        seen = held(connection)
        await asyncio.sleep(0.1)
    return seen


async def test_j23_a_client_that_opens_no_window_holds_1_mib_in_all_its_streams(
    stage: ProxyFixture, backends: Backends, script: Script
) -> None:
    stage.backend.play(script)
    client = await http2(stage)
    connection = await connection_of(stage)
    await ask_many(client, MAX_STREAMS)
    await wait_until_async(lambda: backends.asked == MAX_STREAMS, within=20)
    assert await at_rest(connection) <= MAX_HELD + ONE_READ


async def test_j23_a_client_that_does_not_read_holds_1_mib_in_all_its_streams(
    stage: ProxyFixture, backends: Backends, script: Script
) -> None:
    stage.backend.play(script)
    client = await http2(stage, receive_buffer=4096)
    connection = await connection_of(stage)
    client.connection.update_settings({4: 2**31 - 1})
    client.connection.increment_flow_control_window(2**31 - 1 - 65_535)
    await client.flush()
    await ask_many(client, MAX_STREAMS)
    await wait_until_async(lambda: backends.asked == MAX_STREAMS, within=20)
    assert await at_rest(connection) <= MAX_HELD + ONE_READ


async def test_j23_all_responses_come_whole_once_the_client_takes_them(
    stage: ProxyFixture, backends: Backends, script: Script
) -> None:
    stage.backend.play(script)
    client = await http2(stage)
    connection = await connection_of(stage)
    streams = await ask_many(client, 40)
    await wait_until_async(lambda: backends.asked == len(streams), within=20)
    assert await at_rest(connection) <= MAX_HELD + ONE_READ
    for stream_id in streams:
        assert (await client.until_over(stream_id)).body == BODY


async def test_j23_streams_that_are_stuck_stop_no_others(stage: ProxyFixture, backends: Backends) -> None:
    stage.backend.play(speaks_http2(backends.http2))
    client = await http2(stage)
    client.acknowledges = False
    client.connection.increment_flow_control_window(2**30)
    await client.flush()
    await ask_many(client, 100)
    await wait_until_async(lambda: backends.asked == 100, within=20)
    await at_rest(await connection_of(stage))
    for _ in range(20):
        assert (await client.answer(SMALL)).body == BODY[:SMALL_SIZE]


async def test_j23_eight_large_responses_of_a_client_get_a_larger_window(stage: ProxyFixture) -> None:
    client = await http2(stage)
    streams = await ask_many(client, WIDE_STREAMS + 2)
    wire = await wire_of(stage)
    asked = [(await wire.request(number)).stream_id for number in range(len(streams))]
    for stream_id in asked:
        wire.connection.send_headers(stream_id, OK)
        wire.connection.send_data(stream_id, bytes(FIRST_WINDOW))
    await wire.flush()
    while 0 in (windows := [wire.connection.local_flow_control_window(stream_id) for stream_id in asked]):
        await wire.read()
    assert sorted(windows) == [FIRST_WINDOW] * 2 + [STREAM_WINDOW - FIRST_WINDOW] * WIDE_STREAMS
