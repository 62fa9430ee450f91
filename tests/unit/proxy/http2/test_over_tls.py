"""HTTP/2 over TLS, as browsers speak it: requests go on as HTTP/1.1, and calls of gRPC as HTTP/2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.backends import answers
from tests.support.http2_backend import OK, Http2Wire, speaks_http2
from tests.support.http2_client import GET as PLAIN_GET
from tests.support.http2_client import Http2Client
from tests.support.messages import ok
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.stream_websocket import open_websocket
from tests.support.tls_peers import TlsAuthority, connect_tls
from tests.support.websocket_peers import serving

GET = [(name, b"https" if name == b":scheme" else value) for name, value in PLAIN_GET]
POST = [(b":method", b"POST"), *GET[1:]]
CALL = [*POST, (b"content-type", b"application/grpc")]


@pytest.fixture
def authority(tmp_path: Path) -> TlsAuthority:
    return TlsAuthority(tmp_path)


@pytest.fixture
async def stage(open_stage: OpenStage, authority: TlsAuthority) -> ProxyFixture:
    return await open_stage(tls=authority.contexts(authority.issue("shop", "shop.test")), hsts=60)


async def browser(stage: ProxyFixture, authority: TlsAuthority) -> Http2Client:
    """What h2 it is, ALPN tells."""
    wire = await connect_tls(stage.address, authority.client("h2", "http/1.1"))
    assert wire.tls.selected_alpn_protocol() == "h2"
    client = Http2Client(wire)
    await client.start()
    return client


async def test_a_request_goes_on_as_http_1_1_at_once(stage: ProxyFixture, authority: TlsAuthority) -> None:
    client = await browser(stage, authority)
    stream_id = await client.ask([*GET, (b"cookie", b"a=1"), (b"cookie", b"b=2")])
    backend = await stage.backend.accept()
    asked = await backend.head()
    assert asked.startswith(b"GET / HTTP/1.1\r\nHost: shop.test\r\n")
    assert b"\r\nX-Forwarded-Proto: https\r\n" in asked
    assert b"cookie: a=1; b=2\r\n" in asked.lower()
    await backend.send(ok(b"page"))
    heard = await client.until_over(stream_id)
    assert (heard.status, heard.body) == (200, b"page")
    assert heard.fields[b"strict-transport-security"] == b"max-age=60"
    assert heard.fields[b"x-internal-service"].startswith(b"127.0.0.1:")
    client.wire.close()


async def test_many_streams_share_one_connection(stage: ProxyFixture, authority: TlsAuthority) -> None:
    stage.backend.play(answers(ok(b"page" * 10_000)))
    client = await browser(stage, authority)
    ids = [await client.ask(GET) for _ in range(20)]
    for stream_id in ids:
        heard = await client.until_over(stream_id)
        assert (heard.status, len(heard.body)) == (200, 40_000)
    assert stage.server.context.recognised == {"http/2": 1}
    client.wire.close()


async def test_a_call_of_grpc_goes_on_as_http_2(stage: ProxyFixture, authority: TlsAuthority) -> None:
    async def serves(wire: Http2Wire) -> None:
        asked = await wire.request()
        await wire.answer(asked.stream_id, [*OK, (b"grpc-status", b"0")], b"x")

    stage.backend.play(speaks_http2(serves))
    client = await browser(stage, authority)
    heard = await client.answer(CALL, b"x")
    assert (heard.status, heard.fields[b"grpc-status"], heard.body) == (200, b"0", b"x")
    client.wire.close()


async def test_a_websocket_becomes_an_upgrade(stage: ProxyFixture, authority: TlsAuthority) -> None:
    async with serving(stage.backend):
        client = await browser(stage, authority)
        socket = await open_websocket(client)
        assert await socket.said_back("hello") == "hello"
        assert await socket.close(1000) == 1000
        client.wire.close()


async def test_a_client_of_http_1_1_is_one_though_it_offers_more(stage: ProxyFixture, authority: TlsAuthority) -> None:
    wire = await connect_tls(stage.address, authority.client("http/1.1", "spdy/3"))
    assert wire.tls.selected_alpn_protocol() == "http/1.1"
    wire.close()
