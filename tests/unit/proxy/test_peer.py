"""What backends are told of a client, over HTTP/1 and over HTTP/2."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from composectl.proxy.limits import Limits
from composectl.proxy.listener_context import ListenerContext
from composectl.proxy.peer import Peer
from tests.support.messages import get
from tests.support.proxy_fixture import OpenStage, ProxyFixture

TRUSTING = Limits(trusted_proxies=(ip_network("127.0.0.0/8"),))
ELSEWHERE = Limits(trusted_proxies=(ip_network("192.0.2.7"),))
FIELDS = [(b"X-Forwarded-For", b"192.0.2.1"), (b"x-forwarded-proto", b"https"), (b"X-Forwarded-Host", b"shop")]


def peer(limits: Limits, told: list[str]) -> Peer:
    return Peer(ListenerContext(limits, "", None, None, lambda: None, told.append), "127.0.0.1", "http")


def test_the_fields_of_a_trusted_proxy_are_read_with_each_request() -> None:
    told: list[str] = []
    trusted = peer(TRUSTING, told)
    for _ in range(2):
        assert trusted.is_read
        lines, host = trusted.read(FIELDS)
        assert b"X-Forwarded-For: 192.0.2.1, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n" in lines
        assert host == b"shop"
    assert told == []


def test_those_of_another_private_peer_are_read_once_and_told() -> None:
    told: list[str] = []
    suspected = peer(ELSEWHERE, told)
    assert suspected.is_read
    assert suspected.read(FIELDS) == (suspected.forwarding, b"")
    assert not suspected.is_read
    assert told == ["127.0.0.1"]


def test_a_peer_from_the_internet_is_not_read_at_all() -> None:
    context = ListenerContext(ELSEWHERE, "", None, None, lambda: None, lambda client: None)
    assert not Peer(context, "198.51.100.7", "http").is_read


def of_http_1() -> bytes:
    return get("/", "X-Forwarded-Proto: https")


def of_http_2() -> bytes:
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.initiate_connection()
    pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
    connection.send_headers(1, [*pseudo, ("x-forwarded-proto", "https")], end_stream=True)
    return connection.data_to_send()


@pytest.mark.parametrize("request_of", [of_http_1, of_http_2])
@pytest.mark.parametrize(("limits", "scheme", "told"), [(TRUSTING, b"https", []), (ELSEWHERE, b"http", ["127.0.0.1"])])
async def test_c6_the_version_makes_no_difference(
    open_stage: OpenStage, request_of: Callable[[], bytes], limits: Limits, scheme: bytes, told: list[str]
) -> None:
    stage = await open_stage(limits=limits)
    client = await stage.client()
    await client.send(request_of())
    assert b"X-Forwarded-Proto: " + scheme + b"\r\n" in await first_head(stage)
    assert stage.untrusted == told


# Private


async def first_head(stage: ProxyFixture) -> bytes:
    """The first head of HTTP/1.1; a backend that is asked for HTTP/2 hangs up."""
    while True:
        wire = await stage.backend.accept()
        head = await wire.head()
        if not head.startswith(b"PRI "):
            return head
        wire.close()
