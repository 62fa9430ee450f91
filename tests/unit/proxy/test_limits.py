"""What a listener may be told to allow, and no more."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from composectl.proxy.limits import Limits, is_private, is_within
from composectl.proxy.listener_context import ListenerContext
from tests.support.backends import answers
from tests.support.messages import GET, OK, get, ok, post, put, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, fill
from tests.support.wait import wait_until_async

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


# A backend that is silent


async def silent_before_its_head(
    open_stage: OpenStage, request: bytes, backends: int = 1
) -> tuple[ProxyFixture, RawConnection]:
    """A client whose request the first backend has read, and does not answer; it has 5 s."""
    stage = await open_stage(backends, limits=Limits(response_timeout=5))
    client, backend = await stage.ask(request)
    await backend.head()
    return stage, client


async def test_d2_a_backend_without_a_head_in_time_is_a_504(open_stage: OpenStage) -> None:
    stage, client = await silent_before_its_head(open_stage, GET)
    stage.seconds_pass(5)
    assert client.silent()
    stage.seconds_pass(1)
    head = await client.head()
    assert status(head) == 504
    assert b"X-Composectl-Error: backend-too-slow\r\n" in head
    assert await stage.backend.wires[0].rest() == b""
    assert stage.pool.leases.counters().failed == 1


@pytest.mark.parametrize("request_", [GET, put(b"hello")], ids=["get", "put"])
async def test_d2_another_backend_is_asked_first_where_that_is_safe(open_stage: OpenStage, request_: bytes) -> None:
    stage, client = await silent_before_its_head(open_stage, request_, 2)
    stage.backends[1].play(answers(OK))
    stage.seconds_pass(6)
    assert status(await client.until(b"ok")) == 200
    assert stage.pool.leases.counters().retried == 1


async def test_d2_a_post_that_was_read_is_sent_to_no_other_backend(open_stage: OpenStage) -> None:
    stage, client = await silent_before_its_head(open_stage, post(b"hello"), 2)
    await stage.backend.wires[0].exactly(5)
    stage.seconds_pass(6)
    assert status(await client.head()) == 504
    assert stage.backends[1].untouched()


async def test_d2_the_time_of_an_upload_is_not_the_backend_s(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(response_timeout=5))
    client, backend = await stage.ask(post(b"he", 5))
    await backend.until(b"he")
    stage.seconds_pass(100)
    await client.send(b"llo")
    await backend.exactly(3)
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200


async def test_d2_a_backend_that_stops_reading_an_upload_is_too_slow(open_stage: OpenStage) -> None:
    stage = await open_stage(receive_buffer=4096, limits=Limits(response_timeout=5))
    client, _ = await stage.ask(post(b"", 1_000_000_000))
    await fill(client)
    stage.seconds_pass(6)
    assert status(await client.head()) == 504


async def test_d2_without_a_limit_a_head_may_take_its_time(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    stage.seconds_pass(10_000)
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200


async def test_d2_an_interim_response_gains_time_and_prevents_a_retry(open_stage: OpenStage) -> None:
    stage, client = await silent_before_its_head(open_stage, GET, 2)
    stage.seconds_pass(5)
    await stage.backend.wires[0].send(b"HTTP/1.1 102 Processing\r\n\r\n")
    assert status(await client.head()) == 102
    stage.seconds_pass(5)
    assert client.silent()
    stage.seconds_pass(1)
    assert status(await client.head()) == 504
    assert stage.backends[1].untouched()


async def stalled_in_its_body(stage: ProxyFixture) -> RawConnection:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(ok(b"hello")[:-1])
    await client.until(b"hell")
    return client


async def test_d4_a_body_that_stalls_is_broken_off(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(idle_timeout=5))
    client = await stalled_in_its_body(stage)
    stage.seconds_pass(5)
    assert client.silent()
    stage.seconds_pass(1)
    assert await client.rest() == b""
    assert await stage.backend.wires[0].rest() == b""
    assert stage.pool.leases.counters().failed == 1


async def test_d4_an_old_connection_is_broken_off_once(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(idle_timeout=100))
    client = await stalled_in_its_body(stage)
    stage.seconds_pass(101)
    assert await client.rest() == b""
    await wait_until_async(lambda: not stage.server.context.connections)


@pytest.mark.parametrize("limits", [Limits(), Limits(response_timeout=5)], ids=["no limit", "of heads alone"])
async def test_d4_without_a_limit_a_body_may_take_its_time(open_stage: OpenStage, limits: Limits) -> None:
    stage = await open_stage(limits=limits)
    client = await stalled_in_its_body(stage)
    stage.seconds_pass(10_000)
    await stage.backend.wires[0].send(b"o")
    assert await client.exactly(1) == b"o"


async def test_d4_a_body_that_the_client_does_not_take_has_not_stalled(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(idle_timeout=5))
    client = await stage.client(receive_buffer=4096)
    await client.send(GET)
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    sent = await fill(backend)
    stage.seconds_pass(100)
    await client.head()
    await client.exactly(sent)


# Bodies that are too large


async def test_p14_a_body_that_says_that_it_is_too_large_is_a_413(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(max_request_body=5))
    client = await stage.client()
    await client.send(post(b"hello!"))
    head = await client.head()
    assert status(head) == 413
    assert b"Connection: close\r\n" in head
    assert stage.backend.untouched()


@pytest.mark.parametrize("request_", [post(b"hello"), CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"], ids=["length", "chunks"])
async def test_p14_a_body_within_the_limit_goes_on(open_stage: OpenStage, request_: bytes) -> None:
    stage = await open_stage(limits=Limits(max_request_body=5))
    client, backend = await stage.ask(request_)
    await backend.until(b"hello")
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200


async def test_p14_chunks_are_counted_as_they_come(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(max_request_body=5))
    client, backend = await stage.ask(CHUNKED + b"5\r\nhello\r\n")
    await backend.until(b"hello")
    await client.send(b"1\r\n!\r\n")
    assert status(await client.head()) == 413
    assert b"!" not in await backend.rest()


async def test_p14_trailers_are_counted_too(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(max_request_body=20))
    client, backend = await stage.ask(CHUNKED + b"5\r\nhello\r\n")
    await backend.until(b"hello\r\n")
    await client.send(b"0\r\nX-Sum: 123456789\r\n\r\n")
    assert status(await client.head()) == 413
    assert b"0\r\n" not in await backend.rest()


async def test_p14_each_request_has_the_whole_limit(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(max_request_body=5))
    stage.backend.play(answers(OK))
    client = await stage.client()
    for _ in range(3):
        await client.send(post(b"hello"))
        assert status(await client.until(b"ok")) == 200


async def test_p14_a_client_that_asks_first_need_not_send_too_much(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(max_request_body=5))
    client = await stage.client()
    await client.send(post(b"", 6).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert status(await client.head()) == 413


# Which peers may name the client that they forward for

BEFORE = (
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: shop",
    "Forwarded: for=192.0.2.1",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Prefix: /shop",
    "X-Forwarded-Scheme: https",
    "X-Forwarded-Server: edge",
    "X-Forwarded-Ssl: on",
    "X-Real-IP: 192.0.2.1",
)


ELSEWHERE = Limits(trusted_proxies=(ip_network("192.0.2.7"),))


async def test_c6_the_word_of_a_trusted_proxy_goes_on(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(trusted_proxies=(ip_network("127.0.0.0/8"),)))
    _, backend = await stage.ask(get("/", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 198.51.100.7", *BEFORE[1:]))
    lines = (await backend.head()).split(b"\r\n")
    assert b"X-Forwarded-For: 192.0.2.1, 198.51.100.7, 127.0.0.1" in lines
    for line in BEFORE[1:]:
        assert lines.count(line.encode()) == 1
    assert len([line for line in lines if b"orwarded" in line]) == 9


async def test_c6_a_trusted_proxy_that_says_nothing_is_a_client(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(trusted_proxies=(ip_network("127.0.0.0/8"),)))
    _, backend = await stage.ask(GET)
    head = await backend.head()
    for line in (b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: a"):
        assert line + b"\r\n" in head
    assert b"\r\nForwarded:" not in head


async def test_c6_the_word_of_others_is_dropped(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("fd00::/8"))))
    _, backend = await stage.ask(get("/", *BEFORE))
    head = await backend.head()
    assert not any(word in head for word in (b"192.0.2.1", b"shop", b"443", b"https", b"edge", b"Ssl"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_c6_a_listener_at_loopback_alone_trusts_this_machine(open_stage: OpenStage, host: str) -> None:
    stage = await open_stage(host=host)
    _, backend = await stage.ask(get("/", *BEFORE))
    head = await backend.head()
    for line in (f"X-Forwarded-For: 192.0.2.1, {host}", *BEFORE[1:]):
        assert f"{line}\r\n".encode() in head
    assert stage.untrusted == []


@pytest.mark.parametrize(
    ("hosts", "trusted"),
    [
        (["127.0.0.1"], True),
        (["127.0.0.1", "::1"], True),
        (["127.8.9.10"], True),
        (["0.0.0.0", "::"], False),
        (["127.0.0.1", "192.0.2.7"], False),
    ],
)
def test_c6_where_it_is_bound_decides_on_whom_a_listener_trusts(hosts: list[str], trusted: bool) -> None:
    context = ListenerContext(Limits(), "", None, None, lambda: None, lambda client: None)
    context.bound_to(hosts)
    assert [context.is_trusted_proxy(client) for client in ("127.0.0.1", "172.18.0.1", "192.0.2.1")] == [
        trusted,
        trusted,
        False,
    ]


async def test_c6_a_private_peer_that_is_not_trusted_is_told_of_once(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=ELSEWHERE)
    for _ in range(2):
        _, backend = await stage.ask(get("/", *BEFORE))
        head = await backend.head()
        assert b"192.0.2.1" not in head
        assert b"\r\nX-Forwarded-Proto: http\r\n" in head
    assert stage.untrusted == ["127.0.0.1"]


@pytest.mark.parametrize("field", BEFORE)
async def test_c6_each_forwarding_field_is_a_sign_of_a_proxy(open_stage: OpenStage, field: str) -> None:
    stage = await open_stage(limits=ELSEWHERE)
    _, backend = await stage.ask(get("/", field))
    await backend.head()
    assert stage.untrusted == ["127.0.0.1"]


async def test_c6_a_client_that_forwards_for_none_is_not_told_of(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=ELSEWHERE)
    _, backend = await stage.ask(GET)
    await backend.head()
    assert stage.untrusted == []


@pytest.mark.parametrize(
    ("client", "private"),
    [
        *((address, True) for address in ("127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.0.1")),
        *((address, True) for address in ("fd00::1", "fe80::1%eth0", "::ffff:10.1.2.3")),
        *((address, False) for address in ("172.32.0.1", "100.64.0.1", "192.0.2.7", "2001:db8::1", "unknown")),
    ],
)
def test_c6_addresses_that_are_not_routed_on_the_internet_are_private(client: str, private: bool) -> None:
    assert is_private(client) is private


@pytest.mark.parametrize(
    ("client", "network", "within"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "10.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("::ffff:10.1.2.3", "::/0", True),
        ("::ffff:10.1.2.3", "::ffff:10.0.0.0/104", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("unknown", "0.0.0.0/0", False),
    ],
)
def test_c6_an_address_is_within_its_network(client: str, network: str, within: bool) -> None:
    assert is_within(client, (ip_network(network),)) is within


# For which names it answers


@pytest.mark.parametrize("host", ["shop.test", "SHOP.test:8080", "shop.test.", "[::1]:80"])
async def test_i12_a_host_of_ours_is_answered(open_stage: OpenStage, host: str) -> None:
    stage = await open_stage(limits=Limits(allowed_hosts=frozenset((b"shop.test", b"[::1]"))))
    _, backend = await stage.ask(GET.replace(b"Host: a", b"Host: " + host.encode()))
    assert b"Host: " + host.encode() in await backend.head()


@pytest.mark.parametrize("host", ["evil.test", "shop.test.evil.test", "127.0.0.1", "", "[::2]"])
async def test_i12_another_host_is_misdirected(open_stage: OpenStage, host: str) -> None:
    stage = await open_stage(limits=Limits(allowed_hosts=frozenset((b"shop.test", b"[::1]"))))
    client = await stage.client()
    await client.send(GET.replace(b"Host: a", b"Host: " + host.encode()))
    assert status(await client.head()) == 421
    assert stage.backend.untouched()


async def test_i12_the_host_of_a_whole_url_counts(open_stage: OpenStage) -> None:
    stage = await open_stage(limits=Limits(allowed_hosts=frozenset((b"shop.test",))))
    client = await stage.client()
    await client.send(b"GET http://evil.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    assert status(await client.head()) == 421
    await wait_until_async(stage.backend.untouched)
