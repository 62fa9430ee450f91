"""What the other side speaks where it is not HTTP/1, and how that shows."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composectl.proxy.first_bytes import reason_for_backend
from composectl.proxy.protocol import Protocol
from tests.support.messages import GET, OK, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="a")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


CLIENTS = {
    "tls": (client_hello(), "tls"),
    "proxy protocol 1": (b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 80\r\n" + GET, "proxy-protocol"),
    "proxy protocol 1 of none": (b"PROXY UNKNOWN\r\n" + GET, "proxy-protocol"),
    "proxy protocol 2": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\1" * 12 + GET, "proxy-protocol"),
    "redis": (b"*1\r\n$4\r\nPING\r\n", "not-http"),
    "memcached": (b"get key\r\n", "not-http"),
    "irc": (b"NICK me\r\nUSER me 0 * :me\r\n", "not-http"),
    "mqtt": (b"\x10\x0c\0\4MQTT\4\2\0<\0\0", "not-http"),
    "kafka": (b"\0\0\0\x0f\0\x12\0\4\0\0\0\1\0\5a.cli\0", "not-http"),
    "noise": (b"\0\1\2\3", "not-http"),
    "a bad target": (b"GET /\0 HTTP/1.1\r\n\r\n", "bad-request"),
    "a bad version": (b"GET / HTTP/x\r\n\r\n", "bad-request"),
    "a bad field of another method": (b"FETCH / HTTP/1.1\r\nX : y\r\n\r\n", "bad-request"),
    "a bad field": (GET[:-2] + b"X : y\r\n\r\n", "bad-request"),
}
SETTINGS = b"\0\0\x12\4\0\0\0\0\0" + b"\0" * 18
BACKENDS = {
    "http/2": (SETTINGS, "backend-speaks-http2"),
    "an alert of tls": (b"\x15\3\1\0\2\2\x46", "backend-speaks-tls"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "backend-is-not-http"),
    "smtp": (b"220 mail.test ESMTP\r\n", "backend-is-not-http"),
    "mysql": (b"\x4a\0\0\0\x0a8.0.36\0", "backend-is-not-http"),
    "rtsp": (b"RTSP/1.0 200 OK\r\n\r\n", "backend-is-not-http"),
    "http 2.0 in words": (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "backend-is-not-http"),
    "a bad field": (b"HTTP/1.1 200 OK\r\nX\0: y\r\n\r\n", "bad-response"),
}


@pytest.mark.parametrize(("first", "reason"), CLIENTS.values(), ids=CLIENTS.keys())
async def test_a32_a_client_that_speaks_something_else_is_told_and_counted_as_such(
    open_stage: OpenStage, first: bytes, reason: str
) -> None:
    stage = await open_stage(protocol=Protocol.HTTP)
    client = await stage.client()
    await client.send(first)
    head = await client.head()
    assert status(head) == 400
    assert b"X-Composectl-Error: %b\r\n" % reason.encode() in head
    assert stage.pool.leases.bad_requests == {reason: 1}
    assert stage.backend.untouched()


async def test_a32_noise_behind_a_request_is_a_bad_request(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(GET + b"\0\1\2\3")
    await (await stage.backend.accept()).send(OK)
    await client.until(b"X-Composectl-Error: bad-request\r\n")
    assert stage.pool.leases.bad_requests == {"bad-request": 1}


@pytest.mark.parametrize(("first", "reason"), BACKENDS.values(), ids=BACKENDS.keys())
async def test_b2_a_backend_that_speaks_something_else_is_told_and_counted_as_such(
    stage: ProxyFixture, first: bytes, reason: str
) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(first)
    head = await client.head()
    assert status(head) == 502
    assert b"X-Composectl-Error: %b\r\n" % reason.encode() in head
    assert stage.pool.leases.failed_for == {reason: 1}


async def test_b2_a_backend_may_speak_first(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.send(b"220 mail.test ESMTP\r\n")
    assert b"X-Composectl-Error: backend-is-not-http\r\n" in await client.head()


@given(st.binary(min_size=1, max_size=40))
def test_no_start_of_a_valid_response_is_taken_for_something_else(rest: bytes) -> None:
    response = b"HTTP/1.1 200 OK\r\n" + rest
    assert [reason_for_backend(response[:size]) for size in range(1, len(response))] == [None] * (len(response) - 1)
