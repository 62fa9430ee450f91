"""ConnectionPool to backends are kept as long as they are good, and no longer than their backend stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from composectl.balance.phase import Phase
from tests.support.backends import listen_on
from tests.support.messages import GET, OK, get, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async


async def exchanged(client: RawConnection, backend: RawConnection, request: bytes = GET) -> None:
    await client.send(request)
    await answer(client, backend)


async def answer(client: RawConnection, backend: RawConnection) -> None:
    await backend.head()
    await backend.send(OK)
    await client.until(b"ok")


async def test_f3_one_connection_serves_one_request_after_the_other(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await answer(client, backend)
    for _ in range(3):
        await exchanged(client, backend)
    assert len(stage.backend.wires) == 1
    assert backend.received.count(b"GET / HTTP/1.1\r\n") == 4


async def test_f3_clients_share_them(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await answer(client, backend)
    await exchanged(await stage.client(), backend, get("/another"))


async def test_c16_what_one_client_says_is_not_said_for_another(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(get("/", "Cookie: a=secret"))
    await answer(client, backend)
    other = await stage.client()
    await other.send(GET)
    assert b"secret" not in await backend.head()


async def test_d8_a_post_goes_out_on_a_connection_that_was_just_used(stage: ProxyFixture) -> None:
    client, kept = await stage.ask(post(b"one"))
    await kept.until(b"one")
    await kept.send(OK)
    await client.until(b"ok")
    await client.send(post(b"two"))
    assert (await kept.until(b"two")).startswith(b"POST ")


async def test_d8_a_post_gets_a_new_connection_if_kept_ones_close_soon(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await answer(client, backend)
    backend.close()
    await wait_until_async(lambda: not any(stage.connections._kept.values()))
    await client.send(GET)
    second = await stage.backend.accept()
    await answer(client, second)
    await client.send(post(b"hello"))
    fresh = await stage.backend.accept()
    assert (await fresh.until(b"hello")).startswith(b"POST ")
    assert second.silent()


async def test_d8_a_post_goes_out_on_none_that_was_idle_for_a_second(stage: ProxyFixture) -> None:
    client, kept = await stage.ask(GET)
    await answer(client, kept)
    stage.seconds_pass(1)
    await client.send(post(b"hello"))
    fresh = await stage.backend.accept()
    assert (await fresh.until(b"hello")).startswith(b"POST ")
    assert kept.silent()


async def test_d8_a_post_survives_the_close_of_its_connection(stage: ProxyFixture) -> None:
    for _ in range(100):
        client, kept = await stage.ask(GET)
        await answer(client, kept)
        client.sock.send(post(b"hello"))
        kept.close()  # before the loop turns: it hears of this after the request
        fresh = await stage.backend.accept()
        assert (await fresh.until(b"hello")).startswith(b"POST ")
        await fresh.send(OK)
        assert status(await client.until(b"ok")) == 200
        client.close()
        stage.connections.forget(stage.pool.backends[0])
    assert stage.pool.leases.counters().failed == 0


async def test_p12_a_restarted_backend_gets_new_connections(stage: ProxyFixture) -> None:
    client, former = await stage.ask(GET)
    await answer(client, former)
    stage.observe([0], run="second")
    await client.send(GET)
    await stage.backend.accept()
    assert await former.rest() == b""


async def test_h10_a_backend_removed_while_dialled_gets_no_request(stage: ProxyFixture) -> None:
    backend = stage.pool.backends[0]
    dialling = asyncio.ensure_future(stage.connections.dial(backend))
    await asyncio.sleep(0)  # it has begun, and is not connected yet
    stage.pool.remove(backend.replica.key, "it left its network")
    with pytest.raises(ConnectionAbortedError):
        await dialling
    assert await (await stage.backend.accept()).rest() == b""


async def test_a_failing_backend_s_kept_connections_are_closed(open_stage: OpenStage) -> None:
    stage = await open_stage(2)
    client, backend = await stage.ask(GET)
    await answer(client, backend)
    stage.eject(0)
    assert await backend.rest() == b""


async def test_nothing_is_remembered_of_backends_that_are_gone(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    stage.observe([])
    await backend.send(OK)
    await client.until(b"ok")
    await wait_until_async(lambda: not stage.connections._kept)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
async def test_what_is_said_unasked_ends_the_connection(stage: ProxyFixture, late: bool) -> None:
    unasked = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(OK if late else OK + unasked)
    await client.until(b"ok")
    if late:
        await backend.send(unasked)
    assert await backend.rest() == b""
    await client.send(GET)
    again = await stage.backend.accept()
    await answer(client, again)


async def test_b8_surplus_bytes_never_get_into_the_next_response(stage: ProxyFixture) -> None:
    client, backend = await stage.ask(GET)
    await backend.head()
    await backend.send(OK + b"HTTP/1.1 200 OK\r\nX-Poison: 1\r\nX-Swallows: ")
    await client.until(b"ok")
    assert await backend.rest() == b""
    await client.send(GET)
    again = await stage.backend.accept()
    await again.head()
    await again.send(OK)
    assert b"Poison" not in await client.until(b"ok")


@pytest.mark.parametrize("greeting", [b"", b"220 hello\r\n"], ids=["in silence", "with a word"])
async def test_b1_a_backend_that_speaks_first_hangs_no_client(stage: ProxyFixture, greeting: bytes) -> None:
    async def greets(wire: RawConnection) -> None:
        await wire.send(greeting)
        wire.close()

    stage.backend.play(greets)
    for _ in range(20):
        client = await stage.client()
        await client.send(GET)
        assert status(await client.head()) == 502
    assert len(stage.backend.wires) <= 20 * 3


async def test_a_backend_with_a_port_of_its_own_is_dialled_there(stage: ProxyFixture) -> None:
    (elsewhere,) = listen_on(["127.0.0.1"])
    stage.pool.sync([replace(stage.replica(0), started="second", ports=((stage.backends[0].port, elsewhere.port),))])
    client = await stage.client()
    await client.send(GET)
    backend = await elsewhere.accept()
    await backend.head()
    await backend.send(OK)
    assert f"X-Internal-Service: {elsewhere.address}\r\n".encode() in await client.until(b"ok")
    await elsewhere.close()


async def test_a_backend_that_is_gone_leaves_no_cache_of_heads(stage: ProxyFixture) -> None:
    (backend,) = stage.pool.backends
    client, wire = await stage.ask(GET)
    await answer(client, wire)
    assert stage.connections._head_caches
    stage.observe([])
    assert not stage.connections._head_caches
    with pytest.raises(ConnectionAbortedError, match="its container is gone"):
        await stage.connections.dial(backend)
    assert not stage.connections._head_caches


async def test_heads_of_a_backend_that_comes_back_are_forgotten_each_second(stage: ProxyFixture) -> None:
    (backend,) = stage.pool.backends
    client, wire = await stage.ask(GET)
    await answer(client, wire)
    await client.send(GET)
    await wire.head()
    cache = stage.connections._head_caches[backend]
    stage.eject(0)
    stage.pool.checked(backend, None)
    assert backend.phase is Phase.READY
    await wire.send(OK)
    await client.until(b"ok")
    await exchanged(client, wire)
    assert cache._heads
    stage.connections.sweep()
    assert not cache._heads
