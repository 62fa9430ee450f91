"""Guards: clients that are refused by their address, for their rate, or for what they have in flight."""

from __future__ import annotations

import time
from ipaddress import ip_network

import pytest

from composectl.proxy import guards
from composectl.proxy.guards import Guards, make_guards
from composectl.proxy.limits import GuardConfig, Limits
from composectl.proxy.protocol import Protocol
from composectl.proxy.token_buckets import RateLimit
from tests.support.backends import answers
from tests.support.http2_backend import OK as OK_FIELDS
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_client import POST as POST_FIELDS
from tests.support.http2_stage import http2, wire_of
from tests.support.messages import GET, OK, get, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.stream_websocket import open_websocket
from tests.support.wait import wait_until_async
from tests.support.websocket_peers import serving
from tests.unit.proxy.test_websockets import HANDSHAKE

LOOPBACK = ip_network("127.0.0.0/8")
DOCUMENTED = ip_network("192.0.2.0/24")
ONE_AN_HOUR = RateLimit(1, 3600, 1)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def open_guarded(open_stage: OpenStage, how: dict[str, object] | None = None, **config: object) -> ProxyFixture:
    return await open_stage(1, guards=GuardConfig(**config), **(how or {}))  # type: ignore[arg-type]


async def answered(open_stage: OpenStage, how: dict[str, object] | None = None, **config: object) -> ProxyFixture:
    stage = await open_guarded(open_stage, how, **config)
    stage.backend.play(answers(OK))
    return stage


async def asked(client: RawConnection, request: bytes = GET) -> bytes:
    """The head of the answer, whose body is read."""
    await client.send(request)
    return await answer(client)


async def answer(client: RawConnection) -> bytes:
    head = await client.head()
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await client.exactly(length)
    return head


def by(client: str) -> bytes:
    return get("/", f"X-Forwarded-For: {client}")


# Addresses


@pytest.mark.parametrize(
    ("config", "client", "is_admitted"),
    [
        ({"allow_ip": (DOCUMENTED,)}, "192.0.2.7", True),
        ({"allow_ip": (DOCUMENTED,)}, "198.51.100.7", False),
        ({"allow_ip": (DOCUMENTED,)}, "::ffff:192.0.2.7", True),
        ({"allow_ip": (ip_network("2001:db8::/32"),)}, "2001:db8::7", True),
        ({"allow_ip": (ip_network("2001:db8::/32"),)}, "192.0.2.7", False),
        ({"allow_ip": (DOCUMENTED,)}, "unknown", False),
        ({"deny_ip": (DOCUMENTED,)}, "192.0.2.7", False),
        ({"deny_ip": (DOCUMENTED,)}, "::ffff:192.0.2.7", False),
        ({"deny_ip": (DOCUMENTED,)}, "198.51.100.7", True),
        ({"deny_ip": (ip_network("192.0.2.7"),), "allow_ip": (DOCUMENTED,)}, "192.0.2.7", False),
        ({"deny_ip": (ip_network("192.0.2.7"),), "allow_ip": (DOCUMENTED,)}, "192.0.2.8", True),
    ],
)
def test_a_client_is_admitted_by_its_address(config: dict[str, object], client: str, is_admitted: bool) -> None:
    guards = Guards(GuardConfig(**config))  # type: ignore[arg-type]
    assert [guards.admits_address(client) for _ in range(2)] == [is_admitted] * 2


def test_without_an_option_there_are_no_guards() -> None:
    assert make_guards(GuardConfig()) is None


async def test_a_client_that_is_not_allowed_gets_403_and_may_ask_again(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, deny_ip=(LOOPBACK,))
    client = await stage.client()
    for _ in range(2):
        head = await asked(client)
        assert status(head) == 403
        assert b"X-Composectl-Error: ip-not-allowed\r\n" in head
    assert stage.backend.untouched()
    assert stage.pool.leases.bad_requests == {"ip-not-allowed": 2}
    assert stage.pool.leases.requests == 0


async def test_the_client_is_the_one_that_a_trusted_proxy_tells(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, allow_ip=(DOCUMENTED,))
    client = await stage.client()
    assert status(await asked(client, by("192.0.2.7"))) == 200
    assert status(await asked(client, by("198.51.100.7"))) == 403
    assert status(await asked(client, by("192.0.2.7, 198.51.100.7"))) == 403
    assert status(await asked(client, GET)) == 403


async def test_what_another_tells_of_a_client_counts_for_nothing(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, {"limits": Limits(trusted_proxies=(DOCUMENTED,))}, allow_ip=(DOCUMENTED,))
    assert status(await asked(await stage.client(), by("192.0.2.7"))) == 403


async def test_an_http2_client_is_told_by_each_of_its_requests(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, allow_ip=(DOCUMENTED,))
    client = await http2(stage)
    for address, expected in [("192.0.2.7", 200), ("198.51.100.7", 403)] * 3:
        fields = [*GET_FIELDS, (b"x-forwarded-for", address.encode())]
        assert (await client.answer(fields)).status == expected
    assert stage.pool.leases.bad_requests == {"ip-not-allowed": 3}


async def is_reset(stage: ProxyFixture, hello: bytes) -> bool:
    try:
        client = await stage.client()
    except ConnectionResetError:  # before the loop has told that it is connected
        return True
    if hello:
        await client.send(hello)
    return await client.was_reset()


@pytest.mark.parametrize(
    ("protocol", "hello"), [(Protocol.TCP, b""), (Protocol.TLS, b"\x16\x03\x01"), (Protocol.AUTO, b"\x16\x03\x01\x02")]
)
async def test_a_connection_that_is_not_allowed_is_reset(
    open_stage: OpenStage, protocol: Protocol, hello: bytes
) -> None:
    stage = await open_guarded(open_stage, {"protocol": protocol}, deny_ip=(LOOPBACK,))
    assert await is_reset(stage, hello)
    assert stage.pool.leases.bad_requests == {"ip-not-allowed": 1}
    assert stage.backend.untouched()


async def test_a_connection_that_is_allowed_is_relayed(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, {"protocol": Protocol.TCP}, allow_ip=(LOOPBACK,))
    client = await stage.client()
    backend = await stage.backend.accept()
    await client.send(b"hello")
    assert await backend.exactly(5) == b"hello"


# Rates


@pytest.fixture
def _still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic_ns()
    monkeypatch.setattr(guards, "monotonic_ns", lambda: now)


@pytest.mark.usefixtures("_still_clock")
async def test_a_client_that_asks_too_often_gets_429_and_when_to_ask_again(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, rate_limit=RateLimit(1, 3600, 4))
    client = await stage.client()
    assert [status(await asked(client)) for _ in range(4)] == [200] * 4
    head = await asked(client)
    assert status(head) == 429
    assert b"X-Composectl-Error: rate-limited\r\n" in head
    assert b"Retry-After: 3600\r\n" in head
    assert stage.pool.leases.bad_requests == {"rate-limited": 1}
    assert stage.pool.leases.requests == 4


async def test_clients_behind_a_trusted_proxy_have_a_rate_each(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, rate_limit=ONE_AN_HOUR)
    client = await stage.client()
    seen = [status(await asked(client, by(address))) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]
    assert seen == [200, 200, 429]


async def test_addresses_of_one_64_are_one_client(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, rate_limit=ONE_AN_HOUR)
    client = await stage.client()
    seen = [status(await asked(client, by(address))) for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")]
    assert seen == [200, 429, 200]


async def test_a_refused_upload_is_answered_and_its_connection_ends(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, rate_limit=ONE_AN_HOUR)
    client = await stage.client()
    assert status(await asked(client)) == 200
    head = await asked(client, post(b"part", 1000))
    assert status(head) == 429
    assert b"Connection: close\r\n" in head
    assert len(stage.backend.wires) == 1


async def test_requests_in_a_row_are_refused_in_their_order(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, rate_limit=ONE_AN_HOUR)
    client = await stage.client()
    await client.send(GET * 40)
    seen = [status(await answer(client)) for _ in range(40)]
    assert seen == [200] + [429] * 39


@pytest.mark.usefixtures("_still_clock")
async def test_http2_streams_are_counted_each(open_stage: OpenStage) -> None:
    stage = await answered(open_stage, rate_limit=ONE_AN_HOUR)
    client = await http2(stage)
    assert (await client.answer(GET_FIELDS)).status == 200
    refused = await client.answer(GET_FIELDS)
    assert refused.status == 429
    assert refused.fields[b"retry-after"] == b"3600"
    assert refused.fields[b"x-composectl-error"] == b"rate-limited"
    upload = await client.open(POST_FIELDS)
    heard = await client.until_over(upload)
    assert heard.status == 429


async def test_a_call_of_grpc_is_refused_with_a_status_of_grpc(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, deny_ip=(LOOPBACK,))
    client = await http2(stage)
    heard = await client.answer([*GET_FIELDS, (b"content-type", b"application/grpc")])
    assert (heard.status, heard.fields[b"grpc-status"]) == (200, b"7")


# In flight


async def test_a_client_may_have_so_many_in_flight(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, max_in_flight_per_client=1)
    first, backend = await stage.ask(GET)
    await backend.head()
    second = await stage.client()
    head = await asked(second)
    assert status(head) == 429
    assert b"X-Composectl-Error: too-many-in-flight\r\nRetry-After: 1\r\n" in head
    await backend.send(OK)
    assert status(await first.until(b"ok")) == 200
    await second.send(GET)
    await backend.head()
    await backend.send(OK)
    assert status(await second.until(b"ok")) == 200
    assert stage.pool.leases.bad_requests == {"too-many-in-flight": 1}


async def test_a_client_that_leaves_has_nothing_in_flight(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, max_in_flight_per_client=1)
    first, backend = await stage.ask(GET)
    await backend.head()
    first.close()
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)
    stage.backend.play(answers(OK))
    assert status(await asked(await stage.client())) == 200


async def test_a_request_that_fails_is_in_flight_no_longer(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, max_in_flight_per_client=1)
    await stage.backend.die()
    client = await stage.client()
    seen = {status(await asked(client)) for _ in range(3)}
    assert seen <= {502, 503}


async def test_a_websocket_is_in_flight_until_it_ends(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, max_in_flight_per_client=1)
    client, backend = await stage.ask(get("/", *HANDSHAKE))
    await backend.head()
    await backend.send(SWITCH)
    assert status(await client.head()) == 101
    other = await stage.client()
    assert status(await asked(other)) == 429
    client.close()
    await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)
    stage.backend.play(answers(OK))
    assert status(await asked(other)) == 200


async def test_streams_of_http2_are_in_flight_each(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, max_in_flight_per_client=1)
    client = await http2(stage)
    first = await client.ask(GET_FIELDS)
    backend = await wire_of(stage)
    held = await backend.request()
    assert (await client.answer(GET_FIELDS)).status == 429
    await backend.answer(held.stream_id, OK_FIELDS, b"ok")
    assert (await client.until_over(first)).status == 200
    again = await client.ask(GET_FIELDS)
    await backend.answer((await backend.request(1)).stream_id, OK_FIELDS)
    assert (await client.until_over(again)).status == 200


async def test_a_websocket_of_http2_is_in_flight_until_it_ends(open_stage: OpenStage) -> None:
    stage = await open_guarded(open_stage, max_in_flight_per_client=1)
    async with serving(stage.backend):
        client = await http2(stage)
        await client.read()
        socket = await open_websocket(client)
        assert (await client.answer(GET_FIELDS)).status == 429
        assert await socket.close(1000) == 1000
        await wait_until_async(lambda: not stage.pool.leases.counters().in_flight)
        assert (await client.answer(GET_FIELDS)).status == 200
