"""TLS ends at the proxy: which certificate a client gets, what goes on, and what is refused."""

from __future__ import annotations

import asyncio
import json
import ssl
from ipaddress import ip_network
from pathlib import Path

import pytest
import trustme

from composectl.proxy.access_log import AccessLog
from composectl.proxy.access_log_format import JSON, LineStyle
from composectl.proxy.limits import ConnectionLimit, Limits
from composectl.proxy.routes import Route
from tests.support.messages import GET, OK, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.tls_peers import TlsAuthority, TlsWire, connect_tls
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_tls import Lines, client_hello


@pytest.fixture
def authority(tmp_path: Path) -> TlsAuthority:
    return TlsAuthority(tmp_path)


async def open_tls(open_stage: OpenStage, authority: TlsAuthority, **how: object) -> ProxyFixture:
    contexts = authority.contexts(authority.issue("shop", "shop.test", "*.shop.test"))
    return await open_stage(tls=contexts, **how)


async def answered(stage: ProxyFixture, client: TlsWire, request: bytes = GET) -> tuple[bytes, bytes]:
    """The head that the backend got for the request, and the one that the client got."""
    await client.send(request)
    backend = await stage.backend.accept()
    asked = await backend.head()
    await backend.send(OK)
    head = await client.head()
    assert await client.exactly(2) == b"ok"
    return asked, head


# What goes on


async def test_a_request_goes_on_in_plain_http_and_the_backend_is_told_of_tls(
    open_stage: OpenStage, authority: TlsAuthority
) -> None:
    stage = await open_tls(open_stage, authority)
    client = await connect_tls(stage.address, authority.client("http/1.1"))
    asked, head = await answered(stage, client)
    assert (client.tls.selected_alpn_protocol(), client.tls.version()) == ("http/1.1", "TLSv1.3")
    assert asked.startswith(b"GET / HTTP/1.1\r\n")
    assert b"X-Forwarded-Proto: https\r\n" in asked
    assert status(head) == 200
    assert b"Strict-Transport-Security" not in head
    client.close()


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_handshake_may_come_in_pieces_of_any_size(
    open_stage: OpenStage, authority: TlsAuthority, size: int
) -> None:
    stage = await open_tls(open_stage, authority)
    client = await connect_tls(stage.address, authority.client(), size=size)
    await answered(stage, client)
    client.close()


async def test_large_bodies_go_both_ways(open_stage: OpenStage, authority: TlsAuthority) -> None:
    stage = await open_tls(open_stage, authority)
    client = await connect_tls(stage.address, authority.client())
    body = bytes(range(256)) * 8000
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
    sending = asyncio.create_task(client.send(body))
    backend = await stage.backend.accept()
    await backend.head()
    assert await backend.exactly(len(body)) == body
    await sending
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
    await client.head()
    sending = asyncio.create_task(backend.send(body))
    assert await client.exactly(len(body)) == body
    await sending
    client.close()


async def test_hsts_is_told_with_each_response(open_stage: OpenStage, authority: TlsAuthority) -> None:
    stage = await open_tls(open_stage, authority, hsts=86400)
    client = await connect_tls(stage.address, authority.client())
    _, head = await answered(stage, client)
    assert b"\r\nStrict-Transport-Security: max-age=86400\r\n" in head
    assert b"\r\nX-Internal-Service: 127.0.0.1:" in head
    client.close()


async def test_a_client_behind_a_proxy_keeps_its_address(open_stage: OpenStage, authority: TlsAuthority) -> None:
    limits = Limits(accept_proxy_protocol=True, trusted_proxies=(ip_network("127.0.0.0/8"),))
    stage = await open_tls(open_stage, authority, limits=limits)
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n"
    client = await connect_tls(stage.address, authority.client(), before=header)
    asked, _ = await answered(stage, client)
    assert b"\r\nX-Forwarded-For: 192.0.2.7\r\n" in asked
    client.close()


# Which certificate


async def test_the_name_of_the_server_chooses_the_certificate(open_stage: OpenStage, authority: TlsAuthority) -> None:
    pairs = authority.issue("a", "a.test"), authority.issue("b", "b.test", "*.b.test")
    stage = await open_stage(tls=authority.contexts(*pairs))
    for asked, given in (("a.test", "a.test"), ("b.test", "b.test"), ("www.b.test", "b.test"), ("B.TEST", "b.test")):
        client = await connect_tls(stage.address, authority.client(), asked)
        assert client.names[0] == given
        client.close()


async def test_other_names_get_the_first_certificate(open_stage: OpenStage, authority: TlsAuthority) -> None:
    pairs = authority.issue("a", "a.test"), authority.issue("b", "b.test")
    stage = await open_stage(tls=authority.contexts(*pairs))
    context = authority.client()
    context.check_hostname = False
    client = await connect_tls(stage.address, context, "c.test")
    assert client.names == ["a.test"]
    client.close()


@pytest.mark.parametrize("name", ["other.test", "a.b.shop.test", ""])
async def test_other_names_are_refused_where_that_is_asked_for(
    open_stage: OpenStage, authority: TlsAuthority, name: str
) -> None:
    contexts = authority.contexts(authority.issue("shop", "shop.test", "*.shop.test"), strict=True)
    stage = await open_stage(tls=contexts)
    context = authority.client()
    context.check_hostname = False
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        await connect_tls(stage.address, context, name)
    assert stage.pool.leases.bad_requests == {"unknown-server-name": 1}
    client = await connect_tls(stage.address, authority.client(), "www.shop.test")
    client.close()


async def test_a_client_gets_the_kind_of_key_that_it_knows(open_stage: OpenStage, authority: TlsAuthority) -> None:
    kinds = {"ECDSA": trustme.KeyType.ECDSA, "RSA": trustme.KeyType.RSA}
    pairs = [authority.issue(name, "shop.test", kind=kind) for name, kind in kinds.items()]
    stage = await open_stage(tls=authority.contexts(*pairs))
    for kind in kinds:
        context = authority.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
        client = await connect_tls(stage.address, context)
        assert client.tls.cipher() == (f"ECDHE-{kind}-AES128-GCM-SHA256", "TLSv1.2", 128)
        client.close()


# Renewal


async def test_a_renewed_certificate_is_served_and_no_connection_is_lost(
    open_stage: OpenStage, authority: TlsAuthority
) -> None:
    stage = await open_tls(open_stage, authority)
    before = await connect_tls(stage.address, authority.client())
    authority.issue("shop", "shop.test", "*.shop.test")
    stage.seconds_pass(1)
    after = await connect_tls(stage.address, authority.client())
    assert before.serial != after.serial
    await answered(stage, before)
    for client in (before, after):
        client.close()


async def test_a_session_goes_on_after_a_renewal(open_stage: OpenStage, authority: TlsAuthority) -> None:
    stage = await open_tls(open_stage, authority)
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in which a session is there once the handshake is over
    first = await connect_tls(stage.address, context)
    session = first.tls.session
    first.close()
    authority.issue("shop", "shop.test", "*.shop.test")
    stage.seconds_pass(1)
    again = await connect_tls(stage.address, context, session=session)
    assert again.tls.session_reused
    again.close()


@pytest.mark.parametrize("half", ["shop.pem", "shop.key"])
async def test_while_the_files_do_not_match_the_certificate_of_before_is_served(
    open_stage: OpenStage, authority: TlsAuthority, tmp_path: Path, half: str
) -> None:
    contexts = authority.contexts(authority.issue("shop", "shop.test"))
    stage = await open_stage(tls=contexts)
    before = await connect_tls(stage.address, authority.client())
    other = dict(zip(("shop.pem", "shop.key"), authority.issue("other", "shop.test"), strict=True))
    rest = ({"shop.pem", "shop.key"} - {half}).pop()
    other[half].rename(tmp_path / half)
    stage.seconds_pass(2)
    assert "does not match" in contexts.files.error
    during = await connect_tls(stage.address, authority.client())
    assert during.serial == before.serial
    other[rest].rename(tmp_path / rest)
    stage.seconds_pass(1)
    after = await connect_tls(stage.address, authority.client())
    assert after.serial != before.serial
    assert contexts.files.error == ""
    for client in (before, during, after):
        client.close()


# What is refused


async def test_a_request_without_tls_is_answered(open_stage: OpenStage, authority: TlsAuthority) -> None:
    stage = await open_tls(open_stage, authority)
    client = await stage.client()
    await client.send(GET)
    head = await client.head()
    assert status(head) == 400
    assert b"X-Composectl-Error: plain-http\r\n" in head
    assert stage.pool.leases.bad_requests == {"plain-http": 1}
    assert stage.backend.untouched()


@pytest.mark.parametrize("first", [b"\0" * 50, b"SSH-2.0-OpenSSH\r\n", b"\x16\x03\x01\0\5hello", b"\x16\x03\x01\0\0"])
async def test_what_is_no_tls_is_refused(open_stage: OpenStage, authority: TlsAuthority, first: bytes) -> None:
    stage = await open_tls(open_stage, authority)
    client = await stage.client()
    await client.send(first)
    await client.rest()
    assert stage.pool.leases.bad_requests == {"tls-handshake": 1}


async def test_nothing_below_tls_1_2_is_spoken(open_stage: OpenStage, authority: TlsAuthority) -> None:
    stage = await open_tls(open_stage, authority)
    context = authority.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 "):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 "):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        await connect_tls(stage.address, context)
    assert stage.pool.leases.bad_requests == {"tls-handshake": 1}


async def test_a_cipher_without_forward_secrecy_is_refused(open_stage: OpenStage, authority: TlsAuthority) -> None:
    contexts = authority.contexts(authority.issue("shop", "shop.test", kind=trustme.KeyType.RSA))
    stage = await open_stage(tls=contexts)
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256:AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
        await connect_tls(stage.address, context)


async def test_a_client_that_refuses_the_certificate_holds_nothing(
    open_stage: OpenStage, authority: TlsAuthority
) -> None:
    limit = ConnectionLimit(5)
    stage = await open_tls(open_stage, authority, connection_limit=limit)
    for _ in range(20):
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect_tls(stage.address, ssl.create_default_context())
    await wait_until_async(lambda: not limit.count and stage.server.context.empty.is_set())


async def test_clients_that_leave_in_the_middle_of_a_handshake_hold_nothing(
    open_stage: OpenStage, authority: TlsAuthority
) -> None:
    limit = ConnectionLimit(50)
    stage = await open_tls(open_stage, authority, connection_limit=limit)
    for size in (0, 3, 100, 10_000):
        for leave in ("close", "reset", "half_close"):
            client = await stage.client()
            await client.send(client_hello("shop.test")[:size])
            getattr(client, leave)()
    await wait_until_async(lambda: not limit.count and stage.server.context.empty.is_set())


async def test_a_handshake_has_ten_seconds(open_stage: OpenStage, authority: TlsAuthority) -> None:
    stage = await open_tls(open_stage, authority)
    silent, slow = await stage.client(), await stage.client()
    await slow.send(client_hello("shop.test"))
    await slow.exactly(100)
    await wait_until_async(lambda: len(stage.server.context.connections) == 2)
    stage.seconds_pass(11)
    for client in (silent, slow):
        await client.rest()
    await wait_until_async(lambda: stage.server.context.empty.is_set())


async def test_the_end_ends_handshakes_and_connections(open_stage: OpenStage, authority: TlsAuthority) -> None:
    stage = await open_tls(open_stage, authority)
    slow = await stage.client()
    await slow.send(client_hello("shop.test"))
    await slow.exactly(100)
    idle = await connect_tls(stage.address, authority.client())
    await stage.shut_down()
    assert await idle.rest() == b""
    await slow.rest()
    idle.close()


async def test_a_refusal_has_a_line_in_the_access_log(open_stage: OpenStage, authority: TlsAuthority) -> None:
    written = Lines()
    stage = await open_tls(open_stage, authority, log=AccessLog(written, LineStyle(JSON).line))
    client = await stage.client()
    await client.send(GET)
    await client.rest()
    await wait_until_async(lambda: written.lines)
    (line,) = map(json.loads, written.lines)
    assert (line["status"], line["error"], line["client"]) == (400, "plain-http", "127.0.0.1")


# Which service


async def test_a_host_that_the_connection_is_not_for_is_misdirected_where_services_share_it(
    open_stage: OpenStage, authority: TlsAuthority
) -> None:
    stage = await open_tls(open_stage, authority, routes=[Route(b"shop.test")])
    client = await connect_tls(stage.address, authority.client("http/1.1"))
    _, head = await answered(stage, client, GET.replace(b"Host: a", b"Host: SHOP.test:8443"))
    assert status(head) == 200
    await client.send(GET.replace(b"Host: a", b"Host: other.test"))
    head = await client.head()
    assert status(head) == 421
    assert b"X-Composectl-Error: misdirected\r\n" in head
    client.close()
