"""What is decrypted is what was encrypted, however it comes, and connections that share a buffer never mix."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from composectl.proxy.tls_transport import INCOMING, OUTGOING
from tests.support.key_updates import OneWay, new_keys
from tests.support.messages import GET, OK, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection, fill
from tests.support.tls_peers import TlsAuthority, TlsWire, connect_tls
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_websockets import HANDSHAKE

BODY = random.Random(8446).randbytes(3_000_000)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def authority(tmp_path: Path) -> TlsAuthority:
    return TlsAuthority(tmp_path)


@pytest.fixture
async def stage(open_stage: OpenStage, authority: TlsAuthority) -> ProxyFixture:
    return await open_stage(tls=authority.contexts(authority.issue("shop", "shop.test")))


@pytest.fixture
async def client(stage: ProxyFixture, authority: TlsAuthority) -> TlsWire:
    return await connect_tls(stage.address, authority.client())


async def answer(backend: RawConnection) -> None:
    assert (await backend.head()).startswith(b"GET / HTTP/1.1\r\n")
    await backend.send(OK)


async def is_answered(client: TlsWire) -> bool:
    return status(await client.head()) == 200 and await client.exactly(2) == b"ok"


def post(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size


def response(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


# However it comes


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 4, 5, 6, 21])
async def test_a_record_may_come_in_pieces_of_any_size(
    stage: ProxyFixture, authority: TlsAuthority, version: ssl.TLSVersion, size: int
) -> None:
    context = authority.client()
    context.maximum_version = version
    client = await connect_tls(stage.address, context)
    await client.send_in_pieces(GET, size)
    backend = await stage.backend.accept()
    await answer(backend)
    assert await is_answered(client)
    client.close()


async def test_many_records_may_come_at_once(stage: ProxyFixture, client: TlsWire) -> None:
    await client.wire.send(b"".join(client.encrypted(bytes((byte,))) for byte in GET * 3))
    backend = await stage.backend.accept()
    for _ in range(3):
        await answer(backend)
        assert await is_answered(client)
    client.close()


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, 100_000, len(BODY)])
@pytest.mark.parametrize("piece", [1_400, 10_000, 1 << 20])
async def test_bodies_of_all_sizes_go_both_ways(stage: ProxyFixture, client: TlsWire, size: int, piece: int) -> None:
    body = BODY[:size]
    sending = asyncio.create_task(client.send_in_pieces(post(size) + body, piece))
    backend = await stage.backend.accept()
    await backend.head()
    assert await backend.exactly(size) == body
    await sending
    sending = asyncio.create_task(backend.send(response(size) + body))
    await client.head()
    assert await client.exactly(size) == body
    await sending
    client.close()


@pytest.mark.parametrize("seed", range(5))
async def test_connections_whose_bytes_come_by_turns_are_not_mixed(
    stage: ProxyFixture, authority: TlsAuthority, seed: int
) -> None:
    rng = random.Random(seed)
    clients = [await connect_tls(stage.address, authority.client()) for _ in range(8)]
    requests = [GET.replace(b"GET /", b"GET /%d" % number) for number in range(len(clients))]
    left = [client.encrypted(request) for client, request in zip(clients, requests, strict=True)]
    while any(left):
        number = rng.choice([number for number, rest in enumerate(left) if rest])
        size = rng.randint(1, 20)
        await clients[number].wire.send(left[number][:size])
        left[number] = left[number][size:]
        await asyncio.sleep(0)
    await _answer_by_target(stage, len(clients))
    for number, client in enumerate(clients):
        await client.head()
        assert await client.exactly(1) == b"%d" % number
        client.close()


@pytest.mark.parametrize("request_back", [False, True])
async def test_keys_may_be_renewed(stage: ProxyFixture, authority: TlsAuthority, *, request_back: bool) -> None:
    """By openssl, as the ssl module cannot."""
    host, port = stage.address
    command = ["s_client", "-connect", f"{host}:{port}", "-servername", "shop.test", "-CAfile", f"{authority.ca}"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("openssl", *command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"K\n" if request_back else b"k\n")
    await process.stderr.readuntil(b"KEYUPDATE\n")
    process.stdin.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await answer(await stage.backend.accept())
    assert b"\r\n\r\nok" in await process.stdout.read()
    assert await process.wait() == 0


# Ends


@pytest.mark.parametrize("cut", [1, 5, 20])
@pytest.mark.parametrize("leave", ["close", "reset", "half_close"])
async def test_an_end_within_a_record_is_no_request(stage: ProxyFixture, client: TlsWire, cut: int, leave: str) -> None:
    await client.wire.send(client.encrypted(GET)[:-cut])
    getattr(client.wire, leave)()
    await wait_until_async(lambda: stage.server.context.empty.is_set())
    assert stage.backend.untouched()
    assert not INCOMING.pending
    assert not OUTGOING.pending


async def test_a_record_that_was_changed_ends_its_connection_alone(
    stage: ProxyFixture, authority: TlsAuthority, client: TlsWire
) -> None:
    other = await connect_tls(stage.address, authority.client())
    changed = bytearray(client.encrypted(GET))
    changed[-1] ^= 1
    await client.wire.send(bytes(changed) + client.encrypted(GET))
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        await client.rest()
    await other.send(GET)
    await answer(await stage.backend.accept())
    assert await is_answered(other)
    for wire in (client, other):
        wire.close()


async def test_the_last_response_ends_tls_in_order(stage: ProxyFixture, client: TlsWire) -> None:
    await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await answer(await stage.backend.accept())
    assert (await client.rest()).endswith(b"\r\n\r\nok")
    assert client.said_bye
    assert await client.wire.rest() == b""
    client.close()


async def test_a_client_that_ends_tls_and_not_the_connection_gets_the_same(
    stage: ProxyFixture, client: TlsWire
) -> None:
    await client.say_bye()
    assert await client.rest() == b""
    assert client.said_bye
    assert await client.wire.rest() == b""
    client.close()


async def test_what_comes_behind_the_end_of_tls_is_not_read(stage: ProxyFixture, client: TlsWire) -> None:
    await client.say_bye()
    await client.wire.send(b"\x17\3\3\0\5hello")
    await client.wire.rest()
    assert not INCOMING.pending
    assert stage.backend.untouched()
    client.close()


async def test_an_idle_connection_is_closed_in_order(stage: ProxyFixture, client: TlsWire) -> None:
    await wait_until_async(lambda: stage.server.context.connections)
    stage.seconds_pass(77)
    assert await client.rest() == b""
    assert client.said_bye
    client.close()


async def test_a_refused_request_is_answered_before_the_end(stage: ProxyFixture, client: TlsWire) -> None:
    await client.send(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n" + b"x" * 100_000)
    head = await client.head()
    assert status(head) == 400
    await client.rest()
    assert client.said_bye
    client.close()


# Sessions


async def test_a_session_of_tls_1_3_comes_with_the_first_response(stage: ProxyFixture, authority: TlsAuthority) -> None:
    context = authority.client()
    first = await connect_tls(stage.address, context)
    await first.send(GET)
    backend = await stage.backend.accept()
    await answer(backend)
    assert await is_answered(first)
    again = await connect_tls(stage.address, context, session=first.tls.session)
    assert again.tls.session_reused
    for client in (first, again):
        client.close()


# Pauses


async def test_a_client_that_reads_slowly_holds_its_backend_up(stage: ProxyFixture, client: TlsWire) -> None:
    await client.send(GET)
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
    sent = await fill(backend)
    (connection,) = stage.server.context.connections
    assert connection.transport.get_write_buffer_size() < 1_000_000  # type: ignore[attr-defined]
    await client.head()
    assert await client.exactly(sent) == b"x" * sent
    client.close()
    backend.close()


async def test_a_backend_that_reads_slowly_holds_its_client_up(stage: ProxyFixture, client: TlsWire) -> None:
    await client.send(post(len(BODY) * 10))
    backend = await stage.backend.accept()
    await backend.head()
    sending = asyncio.create_task(client.send(BODY * 10))
    await wait_until_async(lambda: not _is_reading(stage))
    assert not sending.done()
    assert await backend.exactly(len(BODY) * 10) == BODY * 10
    await sending
    await backend.send(OK)
    assert await is_answered(client)
    client.close()


async def test_answers_to_new_keys_do_not_gather_for_a_client_that_does_not_read(
    stage: ProxyFixture, authority: TlsAuthority
) -> None:
    async with OneWay(stage.address).opened() as way, new_keys(way.address, authority) as client:
        await client.send(post(1_000_000))
        backend = await stage.backend.accept()
        await backend.head()
        await backend.send(response(100_000_000))
        await fill(backend)
        for _ in range(50):
            await client.renews_keys(way)
        assert not _is_reading(stage)
        waiting = _waiting(stage)
        for _ in range(50):
            await client.renews_keys(way)
        assert _waiting(stage) == waiting
        way.back.set()
        await wait_until_async(lambda: _is_reading(stage))
        assert await backend.exactly(100 * 2) == b"x\n" * 100
        backend.close()


# What is no HTTP any more


async def test_an_upgraded_connection_is_relayed_both_ways(stage: ProxyFixture, client: TlsWire) -> None:
    await client.send(GET.replace(b"\r\n\r\n", "\r\n".join(["", *HANDSHAKE, "", ""]).encode()))
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert status(await client.head()) == 101
    sending = asyncio.create_task(client.send_in_pieces(BODY, 100_000))
    assert await backend.exactly(len(BODY)) == BODY
    await sending
    sending = asyncio.create_task(backend.send(BODY))
    assert await client.exactly(len(BODY)) == BODY
    await sending
    backend.close()
    assert await client.rest() == b""
    assert client.said_bye
    client.close()


# Private


def _waiting(stage: ProxyFixture) -> int:
    (connection,) = stage.server.context.connections
    return int(connection.transport.get_write_buffer_size())  # type: ignore[attr-defined]


def _is_reading(stage: ProxyFixture) -> bool:
    (connection,) = stage.server.context.connections
    return bool(connection.transport.is_reading())  # type: ignore[attr-defined]


async def _answer_by_target(stage: ProxyFixture, count: int) -> Sequence[RawConnection]:
    backends = []
    for _ in range(count):
        backend = await stage.backend.accept()
        target = (await backend.head())[len(b"GET /") :].partition(b" ")[0]
        await backend.send(response(len(target)) + target)
        backends.append(backend)
    return backends
