"""WebSockets of aiohttp on both sides, which must not notice the proxy between them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import struct

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from composectl.proxy.limits import Limits
from tests.support.messages import get, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import PATIENCE, RawConnection, connect, least_seconds
from tests.support.wait import wait_until_async
from tests.support.websocket_peers import directly, echo, said_back, serving, through
from tests.unit.proxy.test_tunnel import opened

KEY = base64.b64encode(b"0123456789abcdef").decode()
HANDSHAKE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")


def frame(payload: bytes, *, first: int = 0x81, mask: bytes = b"\1\2\3\4") -> bytes:
    """A frame whose first byte is `first`, unmasked where there is no `mask`."""
    assert len(payload) < 126
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    return bytes([first, len(payload) | (0x80 if mask else 0)]) + mask + masked


GOODBYE = frame(struct.pack(">H", 1000), first=0x88)


async def test_g1_text_and_bytes_are_echoed(stage: ProxyFixture) -> None:
    async with serving(stage.backend), aiohttp.ClientSession() as session, session.ws_connect(through(stage)) as socket:
        for number in range(100):
            assert await said_back(socket, f"message {number}") == f"message {number}"
        await socket.send_bytes(bytes(range(256)))
        assert await socket.receive_bytes() == bytes(range(256))


async def conversation(address: str) -> list[object]:
    """All that a client of the test-suite of one WebSocket would see."""
    seen: list[object] = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, protocols=("chat", "unknown"), compress=15, autoping=False) as socket,
    ):
        seen += [socket.protocol, socket.compress]
        for text in ("", "x", "x" * 125, "x" * 126, "x" * 65536, "\N{SNOWMAN}" * 1000):
            await socket.send_str(text)
            seen.append(await socket.receive())
        for data in (b"", b"\0" * 126, b"\xff" * 70000):
            await socket.send_bytes(data)
            seen.append(await socket.receive())
        await socket.ping(b"are you there")
        seen.append(await socket.receive())
        await socket.send_frame(b"frag", WSMsgType.PONG)
        await socket.close(code=4321, message=b"that is all")
        seen.append(socket.close_code)
    return seen


async def test_g2_a_conversation_is_the_same_as_a_direct_one(stage: ProxyFixture) -> None:
    async with serving(stage.backend):
        assert await conversation(through(stage)) == await conversation(directly(stage))


@pytest.mark.parametrize(
    "raw",
    [
        frame(b"hello") + frame(b"world") + GOODBYE,
        frame(b"hello", mask=b"") + GOODBYE,
        frame(b"hello", first=0xC1),
        frame(b"hello", first=0xF1),
        frame(b"hello", first=0x83),
        frame(b"he", first=1) + frame(b"ll", first=0) + frame(b"!", first=0x89) + frame(b"o", first=0x80) + GOODBYE,
        frame(b"hello", first=0x80),
        frame(b"\xff\xfe"),
        frame(b"x" * 100, first=0x89) + GOODBYE,
        frame(struct.pack(">H", 1000) + b"bye", first=0x88),
        frame(struct.pack(">H", 999), first=0x88),
        frame(b"", first=0x88),
    ],
    ids=[
        "text",
        "unmasked",
        "rsv1",
        "rsv1-3",
        "reserved opcode",
        "fragments around a ping",
        "stray continuation",
        "no utf-8",
        "ping",
        "close",
        "bad code",
        "close without a code",
    ],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
async def test_g2_g8_frames_get_the_same_answer_as_directly(stage: ProxyFixture, raw: bytes, bytewise: bool) -> None:
    async with serving(stage.backend):
        host, port = stage.backend.host, stage.backend.port
        answers = []
        for wire in (await stage.client(), await connect((host, port))):
            await wire.send(get("/chat", *HANDSHAKE))
            assert status(await wire.head()) == 101
            with contextlib.suppress(ConnectionError):  # it may be cut off in the middle of what is no frame
                await (wire.send_in_pieces(raw) if bytewise else wire.send(raw))
            answers.append(await wire.rest())
            wire.close()
        assert answers[0] == answers[1]
        assert answers[0]


async def test_g3_all_that_a_handshake_says_arrives(stage: ProxyFixture) -> None:
    headers = {"Origin": "https://shop.test", "Cookie": "a=b; c=d"}
    async with (
        serving(stage.backend) as heard,
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(through(stage, "/chat%2Froom?q=%20x&y"), protocols=("chat",), compress=15) as socket,
    ):
        assert socket.protocol == "chat"
        assert socket.compress
        assert await said_back(socket, "x" * 10_000) == "x" * 10_000
    (request,) = heard
    assert request.raw_path == "/chat%2Froom?q=%20x&y"
    assert (request.headers["Origin"], request.headers["Cookie"]) == ("https://shop.test", "a=b; c=d")
    assert "permessage-deflate" in request.headers["Sec-WebSocket-Extensions"]
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize("code", [302, 401, 403, 426, 503])
async def test_g4_a_refusal_is_the_backend_s_own(stage: ProxyFixture, code: int) -> None:
    client, backend = await stage.ask(get("/chat", *HANDSHAKE))
    await backend.head()
    fields = b"Location: /elsewhere\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n"
    await backend.send(b"HTTP/1.1 %d Sorry\r\n%b\r\nbody" % (code, fields))
    head = await client.head()
    assert head.startswith(b"HTTP/1.1 %d Sorry\r\n" % code)
    for line in fields.split(b"\r\n"):
        assert line in head
    assert await client.exactly(4) == b"body"


async def test_g5_without_a_ready_backend_there_is_no_101(stage: ProxyFixture) -> None:
    stage.observe([])
    client = await stage.client()
    await client.send(get("/chat", *HANDSHAKE))
    assert status(await client.head()) == 503


@pytest.mark.parametrize(("code", "reason"), [(1000, b""), (1001, b"going"), (4999, b"\xc3\xbcber" * 20)])
async def test_g6_the_code_and_the_reason_of_a_close_arrive(stage: ProxyFixture, code: int, reason: bytes) -> None:
    async def closes(socket: web.WebSocketResponse) -> None:
        await socket.close(code=code, message=reason)

    async with (
        serving(stage.backend, closes),
        aiohttp.ClientSession() as session,
        session.ws_connect(through(stage)) as socket,
    ):
        message = await socket.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, reason.decode())
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


@pytest.mark.parametrize("side", ["client", "backend"])
@pytest.mark.parametrize("leave", [RawConnection.close, RawConnection.reset], ids=["closes", "aborts"])
async def test_g6_the_end_of_one_side_is_the_other_s_within_a_second(
    stage: ProxyFixture, side: str, leave: object
) -> None:
    assert callable(leave)

    async def ends() -> None:
        client, backend = await opened(stage)
        goes, stays = (client, backend) if side == "client" else (backend, client)
        leave(goes)
        await stays.rest()

    assert await least_seconds(ends, 5) < 1


async def test_g7_frames_in_the_segment_of_the_handshake_arrive(stage: ProxyFixture) -> None:
    async with serving(stage.backend):
        client = await stage.client()
        await client.send(get("/chat", *HANDSHAKE) + frame(b"early") + frame(b"bird"))
        assert status(await client.head()) == 101
        assert await client.exactly(13) == b"\x81\x05early\x81\x04bird"


async def test_g8_a_message_of_100_mebibytes_arrives(stage: ProxyFixture) -> None:
    size = 100 * 1024 * 1024
    received = 0

    async def counts(socket: web.WebSocketResponse) -> None:
        nonlocal received
        received = len(await socket.receive_bytes())
        await socket.close()

    async with (
        serving(stage.backend, counts),
        aiohttp.ClientSession() as session,
        session.ws_connect(through(stage)) as socket,
    ):
        async with asyncio.timeout(PATIENCE):
            await socket.send_bytes(bytes(size))
            assert (await socket.receive()).type is WSMsgType.CLOSE
    assert received == size


async def test_g9_a_tunnel_may_be_idle_for_ten_minutes(stage: ProxyFixture) -> None:
    async with serving(stage.backend), aiohttp.ClientSession() as session, session.ws_connect(through(stage)) as socket:
        assert await said_back(socket, "before") == "before"
        stage.seconds_pass(601)
        assert await said_back(socket, "after") == "after"


async def test_g9_an_idle_timeout_ends_a_tunnel_on_which_no_side_speaks(
    open_stage: OpenStage,
) -> None:
    stage = await open_stage(limits=Limits(idle_timeout=3))
    client, backend = await opened(stage)
    for _ in range(3):
        stage.seconds_pass(3)
        await client.send(b"x")
        await backend.exactly(1)
        stage.seconds_pass(3)
        await backend.send(b"y")
        await client.exactly(1)
    stage.seconds_pass(5)
    assert await client.was_reset()
    assert await backend.was_reset()


async def test_g10_a_tunnel_of_a_draining_backend_goes_on_to_the_end(open_stage: OpenStage) -> None:
    stage = await open_stage(drain_seconds=0.2)
    async with serving(stage.backend), aiohttp.ClientSession() as session, session.ws_connect(through(stage)) as socket:
        stage.leave(0)
        assert await said_back(socket, "still here") == "still here"
        await asyncio.wait_for(stage.shut_down(), PATIENCE)
        assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)


@pytest.mark.parametrize("without", range(2, 4))
async def test_g13_what_a_handshake_lacks_is_for_the_backend_to_judge(stage: ProxyFixture, without: int) -> None:
    lines = HANDSHAKE[:without] + HANDSHAKE[without + 1 :]
    async with serving(stage.backend):
        answers = []
        for wire in (await stage.client(), await connect((stage.backend.host, stage.backend.port))):
            await wire.send(get("/chat", *lines))
            answers.append((await wire.head()).split(b"\r\n")[0])
            wire.close()
    assert answers[0] == answers[1]
    assert b" 400 " in answers[0]


async def test_f5_120_websockets_leave_room_for_a_request(stage: ProxyFixture) -> None:
    async with serving(stage.backend, echo), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        sockets = [await session.ws_connect(through(stage)) for _ in range(120)]
        async with session.get(through(stage, "/plain").replace("ws:", "http:")) as response:
            assert (response.status, await response.text()) == (200, "/plain")
        for number, socket in enumerate(sockets):
            assert await said_back(socket, str(number)) == str(number)
        assert stage.pool.leases.counters().in_flight == 120
        await asyncio.gather(*(socket.close() for socket in sockets))
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)
