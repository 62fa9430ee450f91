"""WebSockets over HTTP/2 (RFC 8441), to backends of HTTP/1.1 and of HTTP/2; h2 and wsproto judge what clients get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from h2.settings import SettingCodes, Settings
from wsproto.utilities import generate_accept_token

from composectl.proxy.http2 import frames
from composectl.proxy.limits import Limits
from tests.support.backends import answers
from tests.support.http2_backend import OK, Fields, Http2Wire, speaks_http2
from tests.support.http2_client import GET, Http2Client
from tests.support.http2_stage import http2
from tests.support.messages import status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.stream_websocket import CONNECT, head_of, hypercorn, open_websocket
from tests.support.wait import wait_until_async
from tests.support.websocket_peers import serving

PROTOCOL = frames.PROTOCOL_ERROR
OFFER = frames.SETTINGS_ENABLE_CONNECT_PROTOCOL
LARGE = "\N{SNOWMAN}" * 100_000


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in CONNECT if field[0] != name]


def idle(stage: ProxyFixture) -> bool:
    return not stage.pool.leases.counters().in_flight


# Conversations


async def conversation(stage: ProxyFixture, client: Http2Client) -> None:
    socket = await open_websocket(client)
    assert socket.heard.fields[b"sec-websocket-protocol"] == b"chat"
    assert socket.heard.fields[b"x-internal-service"] == stage.backend.address.encode()
    assert b"sec-websocket-accept" not in socket.heard.fields
    for message in ("hello", b"\0\xff" * 1000, "", LARGE):
        assert await socket.said_back(message) == message
    assert await socket.ping() == b"there?"
    assert stage.pool.leases.counters().in_flight == 1
    assert await socket.close(1000) == 1000
    await wait_until_async(lambda: idle(stage))
    assert (await client.answer(GET)).status == 200


async def test_j16_a_websocket_becomes_an_upgrade_of_http_1(stage: ProxyFixture) -> None:
    async with serving(stage.backend) as heard:
        client = await http2(stage)
        await client.read()
        assert client.connection.remote_settings.enable_connect_protocol == 1
        await conversation(stage, client)
    request = heard[0]
    assert (request.method, request.raw_path, request.headers["Host"]) == ("GET", "/chat?room=1", "shop.test")
    assert (request.headers["Origin"], request.headers["X-Forwarded-For"]) == ("https://shop.test", "127.0.0.1")
    assert len(request.headers.getall("Sec-WebSocket-Key")) == 1


async def test_j16_a_websocket_stays_one_to_a_backend_of_http_2(stage: ProxyFixture) -> None:
    async with hypercorn(stage.backend) as scopes:
        await conversation(stage, await http2(stage))
    scope = scopes[0]
    fields = dict(scope["headers"])
    assert (scope["http_version"], scope["path"], scope["query_string"]) == ("2", "/chat", b"room=1")
    assert (fields[b"origin"], fields[b"x-forwarded-for"]) == (b"https://shop.test", b"127.0.0.1")
    assert b"sec-websocket-key" not in fields


async def test_j16_many_websockets_and_requests_share_a_connection(stage: ProxyFixture) -> None:
    async with serving(stage.backend):
        client = await http2(stage)
        sockets = [await open_websocket(client) for _ in range(20)]
        for number, socket in enumerate(sockets):
            assert await socket.said_back(str(number)) == str(number)
        assert (await client.answer(GET)).body == b"/"
        for socket in sockets:
            assert await socket.close(1000) == 1000
    await wait_until_async(lambda: idle(stage))


async def test_j16_what_is_said_before_the_handshake_ends_arrives_behind_it(stage: ProxyFixture) -> None:
    client = await http2(stage)
    stream_id = await client.open(CONNECT)
    client.connection.send_data(stream_id, b"early")
    await client.flush()
    assert not (await (await stage.backend.accept()).head()).startswith(b"GET")  # the question for HTTP/2
    stage.backend.wires[0].close()
    backend = await stage.backend.accept()
    key = next(line for line in (await backend.head()).split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))
    await backend.send(switch(key.partition(b": ")[2]) + b"bird")
    assert await backend.exactly(5) == b"early"
    heard = await head_of(client, stream_id)
    while len(heard.body) < 4:
        await client.read()
    assert (heard.status, heard.body) == (200, b"bird")
    client.connection.end_stream(stream_id)
    await client.flush()
    assert await backend.rest() == b""
    backend.close()
    await client.until_over(stream_id)
    assert heard.reset is None


def switch(key: bytes) -> bytes:
    """The head of a backend that accepts this key."""
    fields = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %b\r\n" % generate_accept_token(key)
    return b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n"


# The end


async def test_j16_a_client_that_resets_the_stream_ends_the_tunnel_alone(stage: ProxyFixture) -> None:
    async with serving(stage.backend):
        client = await http2(stage)
        left, stays = await open_websocket(client), await open_websocket(client)
        client.connection.reset_stream(left.stream_id, frames.CANCEL)
        await client.flush()
        await wait_until_async(lambda: stage.pool.leases.counters().in_flight == 1)
        assert await stays.said_back("still here") == "still here"


async def test_j16_the_same_to_a_backend_of_http_2(stage: ProxyFixture) -> None:
    client = await http2(stage)
    streams = [await client.open(CONNECT) for _ in range(2)]
    wire = Http2Wire(await stage.backend.accept())
    await start_offering(wire)
    left, stays = await wire.request(0, whole=False), await wire.request(1, whole=False)
    assert left.fields[b":protocol"] == b"websocket"
    for asked in (left, stays):
        wire.connection.send_headers(asked.stream_id, OK)
    await wire.flush()
    assert [(await head_of(client, stream_id)).status for stream_id in streams] == [200, 200]
    client.connection.reset_stream(streams[0], frames.CANCEL)
    client.connection.send_data(streams[1], b"more", end_stream=True)
    await client.flush()
    while left.reset is None or not stays.ended:
        await wire.read()
    assert (left.reset, stays.body) == (frames.CANCEL, b"more")
    assert (await client.until_over(streams[1])).reset is None  # the end of one side is the other's
    await wait_until_async(lambda: idle(stage))


@pytest.mark.parametrize("speaks", [serving, hypercorn], ids=["http/1.1", "http/2"])
async def test_j16_a_client_that_goes_ends_its_tunnels(stage: ProxyFixture, speaks: object) -> None:
    async with speaks(stage.backend):  # type: ignore[operator]
        client = await http2(stage)
        for _ in range(3):
            await open_websocket(client)
        client.wire.close()
        await wait_until_async(lambda: idle(stage))


async def test_j16_a_backend_that_goes_resets_the_stream(stage: ProxyFixture) -> None:
    async def switches(wire: Http2Wire) -> None:
        asked = await wire.request(whole=False)
        await wire.wire.send(frames.headers(asked.stream_id, wire.connection.encoder.encode(OK), end_stream=False))
        await wire.read()
        wire.wire.close()

    stage.backend.play(offers(switches))
    client = await http2(stage)
    socket = await open_websocket(client)
    await socket.client.raw(frames.DATA, 0, socket.stream_id, b"x")
    assert (await client.until_over(socket.stream_id)).reset == frames.CANCEL
    await wait_until_async(lambda: idle(stage))


@pytest.mark.parametrize("speaks", [serving, hypercorn], ids=["http/1.1", "http/2"])
async def test_j16_what_is_cut_is_reset(stage: ProxyFixture, speaks: object) -> None:
    async with speaks(stage.backend):  # type: ignore[operator]
        client = await http2(stage)
        socket = await open_websocket(client)
        stage.server.cut(stage.pool.backends[0])
        assert (await client.until_over(socket.stream_id)).reset == frames.CANCEL
        await wait_until_async(lambda: idle(stage))
        assert (await client.answer(GET)).status == 200


async def test_j16_a_tunnel_may_be_idle_and_outlives_the_drain_of_its_backend(stage: ProxyFixture) -> None:
    async with hypercorn(stage.backend):
        client = await http2(stage)
        socket = await open_websocket(client)
        stage.seconds_pass(601)
        stage.leave(0)
        assert await socket.said_back("still here") == "still here"
        assert await socket.close(1000) == 1000
    await wait_until_async(lambda: idle(stage))


@pytest.mark.parametrize("speaks", [serving, hypercorn], ids=["http/1.1", "http/2"])
async def test_j16_an_idle_timeout_resets_the_stream_of_a_tunnel_that_pauses_for_longer(
    open_stage: OpenStage, speaks: object
) -> None:
    stage = await open_stage(limits=Limits(idle_timeout=3))
    async with speaks(stage.backend):  # type: ignore[operator]
        client = await http2(stage)
        paused, busy = await open_websocket(client), await open_websocket(client)
        for _ in range(2):
            stage.seconds_pass(3)
            for socket in (paused, busy):
                assert await socket.said_back("x") == "x"
        stage.seconds_pass(3)
        assert await busy.said_back("y") == "y"
        stage.seconds_pass(2)
        assert (await client.until_over(paused.stream_id)).reset == frames.CANCEL
        assert await busy.said_back("still here") == "still here"
        assert (await client.answer(GET)).status == 200


# Backpressure


async def test_j16_a_client_that_does_not_read_pauses_the_backend(stage: ProxyFixture) -> None:
    async with serving(stage.backend, floods):
        client = await http2(stage)
        client.acknowledges = False
        socket = await open_websocket(client)
        while len(socket.heard.body) < 65_535:
            await client.read()
        connection = next(iter(stage.server.context.connections))
        await wait_until_async(lambda: connection._streams[1].flow.pending)  # type: ignore[attr-defined]
        held = sum(map(len, connection._streams[1].flow.pending))  # type: ignore[attr-defined]
        assert held <= 1024 * 1024
        client.acknowledges = True
        client.connection.increment_flow_control_window(100_000_000)
        client.connection.increment_flow_control_window(100_000_000, socket.stream_id)
        await client.flush()
        received = 0
        while received < FLOOD:
            event = await socket.receive()
            received += len(event.data)  # type: ignore[attr-defined]


FLOOD = 20_000_000


async def floods(socket: object) -> None:
    for _ in range(FLOOD // 100_000):
        await socket.send_bytes(bytes(100_000))  # type: ignore[attr-defined]


# Refusals


@pytest.mark.parametrize(
    "fields",
    [
        without(b":scheme"),
        without(b":path"),
        without(b":authority"),
        [(b":method", b"GET"), *CONNECT[1:]],
        [*CONNECT, (b"content-length", b"0")],
        [*CONNECT, (b"upgrade", b"websocket")],
    ],
)
async def test_j17_a_malformed_extended_connect_is_reset(stage: ProxyFixture, fields: Fields) -> None:
    client = await http2(stage)
    assert (await head_of(client, await client.open(fields))).reset == PROTOCOL
    assert (await client.answer(CONNECT)).reset == PROTOCOL  # it is at its end already
    assert stage.backend.untouched()


async def test_j17_another_protocol_is_501(stage: ProxyFixture) -> None:
    client = await http2(stage)
    fields = [(name, b"connect-udp" if name == b":protocol" else value) for name, value in CONNECT]
    heard = await head_of(client, await client.open(fields))
    assert (heard.status, heard.fields[b"x-composectl-error"]) == (501, b"unknown-protocol")
    assert stage.backend.untouched()


async def refused(stage: ProxyFixture, path: bytes = b"/chat") -> tuple[int, bytes]:
    """The status and the reason of a handshake."""
    client = await http2(stage)
    fields = [(name, path if name == b":path" else value) for name, value in CONNECT]
    stream_id = await client.open(fields)
    heard = await client.until_over(stream_id)
    await wait_until_async(lambda: idle(stage))
    return heard.status, heard.fields.get(b"x-composectl-error", b"")


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 502, b"upgrade-refused"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 502, b"upgrade-refused"),
        (switch(b"another key"), 502, b"unasked-upgrade"),
        (switch(b"x").replace(b"Sec-WebSocket-Accept", b"X"), 502, b"unasked-upgrade"),
        (switch(b"x").replace(b"websocket", b"h2c"), 502, b"unasked-upgrade"),
    ],
)
async def test_j17_an_upgrade_that_http_1_refuses_or_fakes(
    stage: ProxyFixture, answer: bytes, code: int, reason: bytes
) -> None:
    stage.backend.play(answers(answer))
    assert await refused(stage) == (code, reason)


async def test_j17_a_refusal_of_a_backend_of_http_2_is_its_own(stage: ProxyFixture) -> None:
    async with hypercorn(stage.backend):
        assert await refused(stage, b"/forbidden") == (403, b"")


async def test_j17_a_backend_of_http_2_that_offers_none_gets_none(stage: ProxyFixture) -> None:
    async def waits(wire: Http2Wire) -> None:
        number = 0
        while not wire.closed:
            asked = await wire.request(number)
            number += 1
            await wire.answer(asked.stream_id, OK)

    stage.backend.play(speaks_http2(waits))
    assert await refused(stage) == (502, b"upgrade-refused")
    client = await http2(stage)
    assert (await client.answer(GET)).status == 200
    assert client.connection.remote_settings.enable_connect_protocol == 0


async def test_j17_without_a_ready_backend_it_is_503(stage: ProxyFixture) -> None:
    stage.observe([])
    assert await refused(stage) == (503, b"no-backend-ready")


async def test_j17_headers_within_a_tunnel_reset_it(stage: ProxyFixture) -> None:
    async with hypercorn(stage.backend):
        client = await http2(stage)
        socket = await open_websocket(client)
        client.connection.send_headers(socket.stream_id, [(b"x", b"y")], end_stream=True)
        await client.flush()
        assert (await client.until_over(socket.stream_id)).reset == frames.STREAM_CLOSED
        await wait_until_async(lambda: idle(stage))


async def test_g11_an_upgrade_to_h2c_is_not_passed_on(stage: ProxyFixture) -> None:
    lines = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    client, backend = await stage.ask(b"GET / HTTP/1.1\r\nHost: shop.test\r\n" + lines + b"\r\n")
    head = (await backend.head()).lower()
    assert b"upgrade" not in head
    assert b"http2-settings" not in head
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert status(await client.head()) == 200


async def start_offering(wire: Http2Wire) -> None:
    """Begin as a backend of HTTP/2 that offers WebSockets."""
    offer = {SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}
    wire.connection.local_settings = Settings(client=False, initial_values=offer)
    await wire.start()


def offers(script: Callable[[Http2Wire], Awaitable[None]]) -> Callable[[RawConnection], Awaitable[None]]:
    """A script of such a backend."""

    async def play(wire: RawConnection) -> None:
        speaking = Http2Wire(wire)
        await start_offering(speaking)
        await script(speaking)

    return play
