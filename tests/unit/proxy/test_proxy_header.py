"""The PROXY protocol: trusted proxies tell of their clients, and backends are told of them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from ipaddress import ip_network

import pytest

from composectl.proxy.limits import Limits
from composectl.proxy.protocol import Protocol
from composectl.proxy.proxy_protocol import encode_binary, encode_line, parse
from tests.support.messages import GET, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async

ACCEPTS = Limits(accept_proxy_protocol=True)  # the listener is bound to loopback, so that private proxies are trusted
DISTRUSTS = Limits(accept_proxy_protocol=True, trusted_proxies=(ip_network("192.0.2.7"),))
CLIENT = ("203.0.113.9", 50_000)
SERVER = ("192.0.2.1", 443)
ENCODERS = [encode_line, encode_binary]
Encode = Callable[[tuple[str, int], tuple[str, int]], bytes]


async def told(stage: ProxyFixture, backend: RawConnection) -> tuple[str, int] | None:
    """The client that the header names with which the connection begins; the header is taken."""
    received = b""
    while (header := parse(received)) is None:
        received += await backend.exactly(1)
    return header.client


async def echo(wire: RawConnection) -> None:
    async for piece in wire.stream():
        await wire.send(piece)
    wire.close()


# From proxies


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.AUTO])
@pytest.mark.parametrize("size", [1, 1000])
async def test_backends_are_told_of_the_client_behind_the_proxy(
    open_stage: OpenStage, protocol: Protocol, encode: Encode, size: int
) -> None:
    stage = await open_stage(protocol=protocol, limits=ACCEPTS)
    client = await stage.client()
    await client.send_in_pieces(encode(CLIENT, SERVER) + GET[:-2] + b"X-Forwarded-For: 1.2.3.4\r\n\r\n", size)
    head = await (await stage.backend.accept()).head()
    assert b"\r\nX-Forwarded-For: 203.0.113.9\r\n" in head
    assert b"1.2.3.4" not in head


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("first", [GET, b"\0", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 1.2.3.4 a 1 2\r\n", b"x" * 5000])
async def test_a_trusted_proxy_that_does_not_tell_is_refused(
    open_stage: OpenStage, protocol: Protocol, first: bytes
) -> None:
    stage = await open_stage(protocol=protocol, limits=ACCEPTS)
    client = await stage.client()
    await client.send(first)
    assert await client.rest() == b""
    assert stage.pool.leases.bad_requests == {"no-proxy-protocol": 1}
    assert stage.backend.untouched()


@pytest.mark.parametrize("first", [b"", b"PROXY"])
async def test_a_header_has_ten_seconds(open_stage: OpenStage, first: bytes) -> None:
    stage = await open_stage(protocol=Protocol.TCP, limits=ACCEPTS)
    client = await stage.client()
    await client.send(first)
    await wait_until_async(lambda: stage.server.context.connections)
    stage.seconds_pass(10)
    assert client.silent()
    stage.seconds_pass(1)
    assert await client.rest() == b""
    assert stage.pool.leases.bad_requests == {"no-proxy-protocol": 1}


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.AUTO])
async def test_of_a_peer_that_is_not_trusted_a_header_is_no_request(
    open_stage: OpenStage, protocol: Protocol, encode: Encode
) -> None:
    stage = await open_stage(protocol=protocol, limits=DISTRUSTS)
    client = await stage.client()
    await client.send(encode(CLIENT, SERVER) + GET)
    assert status(await client.head()) == 400
    assert stage.pool.leases.bad_requests == {"proxy-protocol": 1}
    assert stage.backend.untouched()


async def test_a_peer_that_is_not_trusted_is_a_client_as_any(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=DISTRUSTS)
    _, backend = await stage.ask(GET)
    assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in await backend.head()


async def test_where_a_header_would_not_be_noticed_a_peer_that_is_not_trusted_is_refused(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TCP, limits=DISTRUSTS)
    client = await stage.client()
    assert await client.rest() == b""
    assert stage.pool.leases.bad_requests == {"untrusted-proxy": 1}
    assert stage.backend.untouched()


async def test_without_the_option_a_header_is_no_request(stage: ProxyFixture) -> None:
    client = await stage.client()
    await client.send(encode_line(CLIENT, SERVER) + GET)
    assert status(await client.head()) == 400


async def test_a_check_of_the_proxy_itself_comes_from_it(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=ACCEPTS)
    _, backend = await stage.ask(b"PROXY UNKNOWN\r\n" + GET)
    assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in await backend.head()


@pytest.mark.parametrize("limits", [ACCEPTS, DISTRUSTS, Limits(send_proxy_protocol="v1")])
async def test_a_client_that_is_gone_before_it_is_accepted_is_nothing(open_stage: OpenStage, limits: Limits) -> None:
    stage = await open_stage(protocol=Protocol.TCP, limits=limits)
    stage.backend.play(echo)
    for _ in range(3):
        sock = socket.create_connection(stage.address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    last = await stage.client()  # it is accepted behind them
    if limits is DISTRUSTS:
        assert await last.rest() == b""
    else:
        await last.send(encode_line(CLIENT, SERVER) + b"hello")
        assert await last.until(b"hello")
        last.half_close()
        await last.rest()
    await wait_until_async(lambda: not stage.server.context.connections)
    assert stage.pool.leases.counters().in_flight == 0


# To backends


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(("protocol", "first"), [(Protocol.TCP, b"hello"), (Protocol.TLS, b"\x16\3\1\0\4\1\0\0\0")])
async def test_a_backend_is_told_of_the_client_first(
    open_stage: OpenStage, protocol: Protocol, first: bytes, version: str
) -> None:
    stage = await open_stage(protocol=protocol, limits=Limits(send_proxy_protocol=version))
    client = await stage.client()
    await client.send(first)
    backend = await stage.backend.accept()
    assert await told(stage, backend) == client.sock.getsockname()
    assert await backend.exactly(len(first)) == first
    stage.seconds_pass(1)
    assert stage.pool.backends[0].bytes_received == len(first)


@pytest.mark.parametrize("encode", ENCODERS)
async def test_a_backend_is_told_of_the_client_of_whom_a_proxy_told(open_stage: OpenStage, encode: Encode) -> None:
    limits = Limits(accept_proxy_protocol=True, send_proxy_protocol="v2")
    stage = await open_stage(protocol=Protocol.TCP, limits=limits)
    client = await stage.client()
    await client.send(encode(CLIENT, SERVER) + b"rest")
    backend = await stage.backend.accept()
    assert await told(stage, backend) == CLIENT
    assert await backend.exactly(4) == b"rest"


async def test_backends_of_auto_ports_are_not_told(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(send_proxy_protocol="v1"))
    client = await stage.client()
    await client.send(b"\x16\3\1\0\4\1\0\0\0")
    assert await (await stage.backend.accept()).exactly(9) == b"\x16\3\1\0\4\1\0\0\0"
