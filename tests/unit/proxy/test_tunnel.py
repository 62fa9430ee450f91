"""After a backend's 101, bytes go both ways as they come."""

from __future__ import annotations

import pytest

from tests.support.messages import GET, OK, get, identity, ok, post, status
from tests.support.proxy_fixture import ProxyFixture
from tests.support.raw_http import RawConnection, fill
from tests.support.wait import wait_until_async

ASK = get("/chat?a=%2F", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Protocol: chat")
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
)


async def opened(stage: ProxyFixture) -> tuple[RawConnection, RawConnection]:
    client, backend = await stage.ask(ASK)
    await backend.head()
    await backend.send(SWITCH)
    await client.head()
    return client, backend


async def test_g1_bytes_go_both_ways(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    for number in range(3):
        await client.send(b"ping %d" % number)
        assert await backend.exactly(6) == b"ping %d" % number
        await backend.send(b"pong %d" % number)
        assert await client.exactly(6) == b"pong %d" % number
    assert stage.pool.leases.counters().in_flight == 1


async def test_g3_the_request_and_the_101_go_on_as_they_are(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(ASK)
    head = await backend.head()
    assert head.startswith(b"GET /chat?a=%2F HTTP/1.1\r\n")
    for line in (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Protocol: chat"):
        assert line in head
    await backend.send(SWITCH)
    head = await client.head()
    for line in (
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Accept: x",
        identity(stage.backend.address),
    ):
        assert line in head


async def test_g4_a_refusal_goes_on_and_the_connection_with_it(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(ASK)
    await backend.head()
    await backend.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert status(await client.head()) == 403
    await client.send(GET)
    await backend.head()
    await backend.send(OK)
    assert status(await client.head()) == 200


async def test_g5_with_the_backend_down_there_is_no_101(stage: ProxyFixture) -> None:
    stage.backend.refuse()
    client = await stage.client()
    await client.send(ASK)
    assert status(await client.head()) == 502


async def test_g6_when_the_client_leaves_the_backend_is_told(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    client.close()
    assert await backend.rest() == b""
    await wait_until_async(lambda: stage.pool.leases.counters().responses[1] == 1)


async def test_g6_when_the_backend_leaves_the_client_is_told(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    await backend.send(b"bye")
    backend.close()
    assert await client.rest() == b"bye"


@pytest.mark.parametrize("half", ["client", "backend"])
async def test_g6_the_end_of_one_direction_ends_both(stage: ProxyFixture, half: str) -> None:
    client, backend = await opened(stage)
    first, other = (client, backend) if half == "client" else (backend, client)
    await first.send(b"last")
    first.half_close()
    assert await other.rest() == b"last"
    assert await first.rest() == b""


@pytest.mark.parametrize("half", ["client", "backend"])
async def test_g6_a_reset_of_one_side_resets_the_other(stage: ProxyFixture, half: str) -> None:
    client, backend = await opened(stage)
    first, other = (client, backend) if half == "client" else (backend, client)
    first.reset()
    assert await other.was_reset()


async def test_g7_bytes_right_behind_the_handshake_arrive(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(ASK + b"early")
    await backend.head()
    await backend.send(SWITCH + b"prompt")
    await client.head()
    assert await client.exactly(6) == b"prompt"
    assert await backend.exactly(5) == b"early"


@pytest.mark.parametrize("method", ["GET", "LABEL"])
async def test_g7_bytes_behind_the_handshake_follow_any_method(stage: ProxyFixture, method: str) -> None:
    client, backend = await stage.ask(ASK.replace(b"GET", method.encode()) + b"\x01early\r\n\r\n\r\n")
    await backend.head()
    await backend.send(SWITCH)
    await client.head()
    assert await backend.exactly(12) == b"\x01early\r\n\r\n\r\n"


async def test_g8_a_long_message_arrives_whole(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    message = bytes(range(256)) * 400
    for _ in range(10):
        await client.send(message)
        assert await backend.exactly(len(message)) == message


async def test_g11_any_other_protocol_is_tunnelled_too(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/", "Connection: upgrade", "Upgrade: foo/2"))
    assert b"Upgrade: foo/2\r\n" in await backend.head()
    await backend.send(SWITCH.replace(b"websocket", b"foo/2"))
    assert b"Upgrade: foo/2\r\n" in await client.head()


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket, h2c", b"foo/2", b"websocket/2", b""])
async def test_b10_a_switch_to_another_protocol_than_was_asked_for_is_a_502(
    stage: ProxyFixture, protocol: bytes
) -> None:
    client, backend = await stage.ask(ASK)
    await backend.head()
    await backend.send(SWITCH.replace(b"websocket", protocol))
    head = await client.head()
    assert status(head) == 502
    assert b"X-Composectl-Error: unasked-upgrade\r\n" in head
    assert await backend.rest() == b""


@pytest.mark.parametrize("protocol", [b"foo/2", b"WebSocket", b"websocket, foo/2"])
async def test_b10_any_of_several_protocols_may_be_chosen(stage: ProxyFixture, protocol: bytes) -> None:
    client, backend = await stage.ask(get("/", "Connection: upgrade", "Upgrade: foo/2, websocket"))
    await backend.head()
    await backend.send(SWITCH.replace(b"websocket", protocol))
    assert b"Upgrade: " + protocol + b"\r\n" in await client.head()


async def test_a19_h2c_is_not_asked_for(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(
        get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x")
    )
    head = (await backend.head()).lower()
    assert b"upgrade" not in head
    assert b"http2-settings" not in head
    await backend.send(SWITCH.replace(b"websocket", b"h2c"))
    assert status(await client.head()) == 502


async def test_g10_a_tunnel_holds_its_backend_until_it_ends(stage: ProxyFixture) -> None:
    client, _ = await opened(stage)
    stage.leave(0)
    assert stage.phases() == ["draining"]
    client.close()
    await wait_until_async(lambda: stage.phases() == ["drained"])


# What comes with, before and behind a request to switch


async def test_a26_a_switch_waits_for_the_answers_before_it(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/1") + get("/2") + ASK + b"\x81\x85early")
    for number in (1, 2):
        assert b"/%d " % number in await backend.head()
        await backend.send(ok(b"%d" % number))
        await client.head()
        assert await client.exactly(1) == b"%d" % number
    assert b"/chat" in await backend.head()
    await backend.send(SWITCH)
    assert status(await client.head()) == 101
    assert await backend.exactly(7) == b"\x81\x85early"


async def test_what_follows_a_switch_that_was_declined_is_http_again(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(ASK + get("/next") + ASK)
    for path in (b"/chat", b"/next", b"/chat"):
        assert path in await backend.head()
        await backend.send(OK)
        assert status(await client.until(b"ok")) == 200


async def test_a19_what_follows_h2c_needs_not_wait(stage: ProxyFixture) -> None:
    h2c = get("/", "Connection: Upgrade", "Upgrade: h2c")
    client, backend = await stage.ask(h2c * 3 + get("/last"))
    for _ in range(4):
        await backend.head()
        await backend.send(OK)
        assert status(await client.until(b"ok")) == 200


BODIES = {
    "length": (b"Content-Length: 5", b"hello"),
    "chunks": (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize(("framing", "body"), BODIES.values(), ids=BODIES.keys())
async def test_g12_the_body_of_a_request_to_switch_is_a_body(
    stage: ProxyFixture, protocol: bytes, framing: bytes, body: bytes
) -> None:
    asking = (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n" + framing + b"\r\n\r\n"
    )
    client, backend = await stage.ask(asking + body[:3])
    assert framing in await backend.head()
    await client.send(body[3:] + get("/next"))
    assert await backend.exactly(len(body)) == body
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200
    again = await stage.backend.accept() if backend.silent() else backend
    assert (await again.head()).startswith(b"GET /next ")


async def test_g12_a_post_without_a_body_may_switch(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(
        post(b"").replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
    )
    assert b"Upgrade: SPDY/3.1\r\n" in await backend.head()
    await backend.send(SWITCH.replace(b"websocket", b"SPDY/3.1"))
    assert status(await client.head()) == 101


async def test_b10_a_switch_to_nothing_is_a_502(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(ASK)
    await backend.head()
    await backend.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    assert status(await client.head()) == 502


# Ends


async def test_g6_when_the_client_breaks_off_the_backend_is_told(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    client.reset()
    await backend.rest()
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


async def test_g6_when_the_backend_breaks_off_the_client_is_told(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    backend.reset()
    await client.rest()
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


async def test_g6_an_end_by_one_side_comes_after_its_last_bytes(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    await client.send(b"last words")
    client.half_close()
    assert await backend.rest() == b"last words"
    backend.close()
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)


async def test_p6_a_client_that_stops_reading_stops_the_backend(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    sent = await fill(backend)
    assert sum(tunnel.transport.get_write_buffer_size() for tunnel in stage.server.context.tunnels) < 1024 * 1024
    await client.exactly(sent)


async def test_p6_a_backend_that_stops_reading_stops_the_client(stage: ProxyFixture) -> None:
    client, backend = await opened(stage)
    await backend.exactly(await fill(client))
