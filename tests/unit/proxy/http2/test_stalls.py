"""Clients and backends that take nothing of what waits for them: they are waited for, but not for ever."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from h2.settings import SettingCodes, Settings

from composectl.proxy.http2 import frames
from composectl.proxy.http2.client_connection import Http2ClientConnection
from tests.support.backends import answers
from tests.support.http2_backend import Http2Wire
from tests.support.http2_client import GET, POST, Http2Client
from tests.support.http2_stage import http2
from tests.support.messages import OK
from tests.support.proxy_fixture import ProxyFixture
from tests.support.raw_http import RawConnection, fill
from tests.support.wait import wait_until_async

BODY = bytes(range(256)) * 4000
LARGE = answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)
WINDOW = 65_535


async def stuck_stream(stage: ProxyFixture, client: Http2Client) -> int:
    """A stream whose window is used up; what is held back for it waits in the proxy."""
    stage.backend.play(LARGE)
    client.acknowledges = False
    stream_id = await client.ask(GET)
    while len(client.heard[stream_id].body) < WINDOW:
        await client.read()
    return stream_id


async def test_j14_a_stream_whose_window_stays_closed_is_reset(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stuck = await stuck_stream(stage, client)
    client.connection.increment_flow_control_window(10 * len(BODY))
    stage.backend.play(answers(OK))
    assert (await client.answer(GET)).status == 200
    stage.seconds_pass(299)
    assert (await client.answer(GET)).status == 200
    assert client.heard[stuck].reset is None
    stage.seconds_pass(2)
    assert (await client.until_over(stuck)).reset == frames.CANCEL
    assert (await client.answer(GET)).status == 200
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


async def test_j14_a_window_that_opens_now_and_then_is_enough(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stuck = await stuck_stream(stage, client)
    client.connection.increment_flow_control_window(10 * len(BODY))
    for turn in range(1, 4):
        stage.seconds_pass(299)
        client.connection.increment_flow_control_window(100, stuck)
        await client.flush()
        while len(client.heard[stuck].body) < WINDOW + 100 * turn:
            await client.read()
    assert client.heard[stuck].reset is None


async def test_j14_a_connection_whose_window_stays_closed_is_ended(stage: ProxyFixture) -> None:
    client = await http2(stage)
    await stuck_stream(stage, client)
    stage.seconds_pass(150)
    client.connection.increment_flow_control_window(len(BODY), 1)
    other = await client.ask(GET)
    while not client.heard[other].fields:
        await client.read()
    stage.seconds_pass(151)
    assert await client.until_goaway() == frames.ENHANCE_YOUR_CALM
    await wait_until_async(lambda: not stage.server.context.connections)


async def test_j14_a_client_that_does_not_read_is_ended(stage: ProxyFixture) -> None:
    client = await http2(stage, receive_buffer=4096)
    await client.raw(frames.SETTINGS, 0, 0, struct.pack(">HI", frames.SETTINGS_INITIAL_WINDOW_SIZE, 2**31 - 1))
    await client.raw(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - WINDOW))
    filled = 0

    async def gives_without_end(wire: RawConnection) -> None:
        nonlocal filled
        if not (await wire.head()).startswith(b"PRI "):
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            filled = await fill(wire)
            await wire.rest()
        wire.close()

    stage.backend.play(gives_without_end)
    await client.ask(GET)
    await wait_until_async(lambda: filled)
    stage.seconds_pass(300)
    assert stage.server.context.connections
    stage.seconds_pass(3)
    await wait_until_async(lambda: not stage.server.context.connections)
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


async def test_e5_a_fast_backend_waits_for_a_client_with_a_large_window(stage: ProxyFixture) -> None:
    size = 30_000_000
    stage.backend.play(answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)))
    client = await http2(stage)
    await client.raw(frames.SETTINGS, 0, 0, struct.pack(">HI", frames.SETTINGS_INITIAL_WINDOW_SIZE, 2**31 - 1))
    await client.raw(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - WINDOW))
    await client.wire.send(frames.headers(1, client.connection.encoder.encode(GET), end_stream=True))
    connections = stage.server.context.connections
    await wait_until_async(lambda: any(getattr(connection, "write_paused", False) for connection in connections))
    (connection,) = connections
    assert connection.transport.get_write_buffer_size() < 2_000_000  # type: ignore[attr-defined]
    received = 0
    while received < size:
        piece = await client.wire.piece()
        assert piece, "the proxy has ended the connection"
        received += len(piece)


async def test_j14_a_client_that_asks_and_does_not_read_is_not_read_either(stage: ProxyFixture) -> None:
    client = await http2(stage, receive_buffer=4096)
    await client.raw(frames.SETTINGS, 0, 0, struct.pack(">HI", frames.SETTINGS_INITIAL_WINDOW_SIZE, 2**31 - 1))
    await client.raw(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - WINDOW))
    block = client.connection.encoder.encode([*GET, (b"host", b"other.test")])
    asked = 0

    async def asks_without_end() -> None:
        nonlocal asked
        for first in range(1, 2_000_000, 2000):
            numbers = range(first, first + 2000, 2)
            await client.wire.send(b"".join(frames.headers(number, block, end_stream=True) for number in numbers))
            asked += 1000

    connections = stage.server.context.connections
    await wait_until_async(lambda: any(isinstance(each, Http2ClientConnection) for each in connections))
    (connection,) = connections
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # type: ignore[attr-defined]
    asking = asyncio.create_task(asks_without_end())
    await wait_until_async(lambda: not is_read(connection), within=20)
    assert connection.transport.get_write_buffer_size() < 16_000_000  # type: ignore[attr-defined]
    assert asked < 1_000_000
    while not is_read(connection):
        await client.wire.piece()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


def is_read(connection: object) -> bool:
    return bool(connection.transport.is_reading())  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_whole", [False, True], ids=["more to come", "all of it waits"])
async def test_j15_an_upload_that_a_backend_does_not_take_ends_in_time(stage: ProxyFixture, is_whole: bool) -> None:
    client = await http2(stage)
    stream_id = await client.open(POST)
    wire = Http2Wire(await stage.backend.accept())
    window = {SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    wire.connection.local_settings = Settings(client=False, initial_values=window)
    wire.acknowledges = False
    await wire.start()
    asked = await wire.request(whole=False)
    client.connection.send_data(stream_id, bytes(10_000), end_stream=is_whole)
    await client.flush()
    while len(asked.body) < 1000:
        await wire.read()
    stage.seconds_pass(74)
    wire.connection.increment_flow_control_window(500, asked.stream_id)
    await wire.flush()
    while len(asked.body) < 1500:
        await wire.read()
    stage.seconds_pass(75)
    assert not client.heard[stream_id].status
    stage.seconds_pass(2)
    heard = await client.until_over(stream_id)
    assert (heard.status, heard.fields[b"x-composectl-error"]) == (504, b"backend-too-slow")
    while asked.reset is None:
        await wire.read()
    assert asked.reset == frames.CANCEL
