"""TLS is passed through: the name of the server is read, and no byte is changed."""

from __future__ import annotations

import json
import ssl

import pytest

from composectl.proxy.access_log import AccessLog
from composectl.proxy.access_log_format import JSON, LineStyle
from composectl.proxy.limits import Limits
from composectl.proxy.protocol import Protocol
from tests.support.messages import GET, OK, status
from tests.support.proxy_fixture import OpenStage
from tests.support.wait import wait_until_async

PASSING = [Protocol.TLS, Protocol.AUTO]


def client_hello(name: str = "shop.example") -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


class Lines:
    """A writer of the access log that keeps all lines."""

    waiting = lost = written = 0
    last_error = ""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, lines: list[str]) -> None:
        self.lines += lines

    def reopen(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("protocol", PASSING)
@pytest.mark.parametrize("size", [1, 2, 5, 100, 100_000])
async def test_a_client_hello_arrives_as_it_is_however_it_comes(
    open_stage: OpenStage, protocol: Protocol, size: int
) -> None:
    stage = await open_stage(protocol=protocol)
    client, hello = await stage.client(), client_hello()
    await client.send_in_pieces(hello, size)
    backend = await stage.backend.accept()
    assert await backend.exactly(len(hello)) == hello
    await backend.send(b"\x15\3\3\0\2\2\x28")
    assert await client.exactly(7) == b"\x15\3\3\0\2\2\x28"
    await client.send(b"\x17\3\3")
    assert await backend.exactly(3) == b"\x17\3\3"


@pytest.mark.parametrize("protocol", PASSING)
async def test_a_backend_without_tls_is_heard_as_it_is(open_stage: OpenStage, protocol: Protocol) -> None:
    stage = await open_stage(protocol=protocol)
    client = await stage.client()
    await client.send(client_hello())
    backend = await stage.backend.accept()
    await backend.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    backend.close()
    client.half_close()
    assert await client.rest() == b"HTTP/1.1 400 Bad Request\r\n\r\n"


@pytest.mark.parametrize("protocol", PASSING)
async def test_the_log_has_the_name_of_the_server(open_stage: OpenStage, protocol: Protocol) -> None:
    written = Lines()
    log = AccessLog(written, LineStyle(JSON).line)
    stage = await open_stage(protocol=protocol, log=log)
    client, hello = await stage.client(), client_hello()
    await client.send(hello)
    backend = await stage.backend.accept()
    await backend.exactly(len(hello))
    await backend.send(b"12345")
    await client.exactly(5)
    client.close()
    backend.close()
    await wait_until_async(lambda: written.lines)
    (line,) = map(json.loads, written.lines)
    assert (line["protocol"], line["server_name"], line["http"]) == ("tls", "shop.example", None)
    assert (line["status"], line["error"], line["backend"]) == (200, None, "echo-1")
    assert (line["received"], line["sent"], line["retries"]) == (len(hello), 5, 0)


@pytest.mark.parametrize("first", [GET, b"\0", b"\x16\2", b"\x16\3\1\0\0", b"\x16\3\1\0\1\2", b"\x15\3\1\0\2\2\x28"])
async def test_what_is_no_tls_is_refused_on_a_port_of_tls(open_stage: OpenStage, first: bytes) -> None:
    stage = await open_stage(protocol=Protocol.TLS)
    client = await stage.client()
    await client.send(first)
    assert await client.rest() == b""
    assert stage.pool.leases.bad_requests == {"not-tls": 1}
    assert stage.backend.untouched()


async def test_an_end_within_the_client_hello_is_no_tls(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TLS)
    client = await stage.client()
    await client.send(client_hello()[:50])
    client.half_close()
    assert await client.rest() == b""
    assert stage.pool.leases.bad_requests == {"not-tls": 1}


async def test_a_client_that_says_nothing_and_leaves_is_no_fault(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TLS)
    client = await stage.client()
    await wait_until_async(lambda: stage.server.context.connections)
    client.half_close()
    assert await client.rest() == b""
    assert not stage.pool.leases.bad_requests


async def test_a_client_hello_has_ten_seconds(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TLS)
    client = await stage.client()
    await client.send(client_hello()[:50])
    await wait_until_async(lambda: stage.server.context.connections)
    stage.seconds_pass(10)
    assert client.silent()
    stage.seconds_pass(1)
    assert await client.rest() == b""
    assert stage.pool.leases.bad_requests == {"head-too-slow": 1}


async def test_a_client_hello_has_64_kib(open_stage: OpenStage) -> None:
    stage = await open_stage(protocol=Protocol.TLS)
    client = await stage.client()
    await client.send(b"\x16\3\1\x40\0\1\1\0\1" + bytes(16380) + (b"\x16\3\1\x40\0" + bytes(16384)) * 3)
    assert await client.rest() == b""
    assert stage.pool.leases.bad_requests == {"head-too-large": 1}


@pytest.mark.parametrize("limits", [Limits(max_request_body=10), Limits(allowed_hosts=frozenset([b"a"]))])
@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.AUTO])
async def test_where_a_limit_of_requests_is_in_force_tls_does_not_pass_by_it(
    open_stage: OpenStage, protocol: Protocol, limits: Limits
) -> None:
    stage = await open_stage(protocol=protocol, limits=limits)
    client = await stage.client()
    await client.send(client_hello())
    head = await client.head()
    assert status(head) == 400
    assert b"X-Composectl-Error: tls\r\n" in head
    assert stage.backend.untouched()


@pytest.mark.parametrize(
    "first", [b"*1\r\n$4\r\nPING\r\n", b"\x16\2\0\0", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"\x16\r\n"]
)
async def test_nothing_else_becomes_a_tunnel(open_stage: OpenStage, first: bytes) -> None:
    stage = await open_stage()
    client = await stage.client()
    await client.send(first)
    assert status(await client.head()) == 400
    assert stage.backend.untouched()


# Silence


async def test_a_client_that_waits_for_the_server_to_speak_first_is_told_of_once(open_stage: OpenStage) -> None:
    stage = await open_stage()
    clients = [await stage.client() for _ in range(2)]
    await wait_until_async(lambda: len(stage.server.context.connections) == 2)
    stage.seconds_pass(1)
    assert stage.silences == 0
    stage.seconds_pass(10)
    assert stage.silences == 1
    assert all(client.silent() for client in clients)


async def test_a_spare_connection_of_a_browser_is_not_told_of(open_stage: OpenStage) -> None:
    stage = await open_stage()
    _, (browser, backend) = await stage.client(), await stage.ask(GET)
    await backend.head()
    await backend.send(OK)
    assert status(await browser.head()) == 200
    stage.seconds_pass(10)
    assert stage.silences == 0


@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.TCP, Protocol.TLS])
async def test_where_the_protocol_is_declared_silence_is_not_told_of(open_stage: OpenStage, protocol: Protocol) -> None:
    stage = await open_stage(protocol=protocol)
    await stage.client()
    await wait_until_async(lambda: stage.server.context.connections)
    stage.seconds_pass(5)
    assert stage.silences == 0
