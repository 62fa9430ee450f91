"""With a cap, each backend gets so many at once; the others wait, first come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from composectl.balance.policy import POLICIES
from composectl.balance.sessions import TokenSessions
from composectl.proxy.limits import Limits, QueueConfig
from composectl.proxy.protocol import Protocol
from composectl.proxy.session_fields import OwnCookie
from tests.support.backends import Script, answers
from tests.support.http2_backend import OK as OK_FIELDS
from tests.support.http2_backend import Http2Wire, speaks_http2
from tests.support.http2_client import GET as GET_FIELDS
from tests.support.http2_stage import http2, wire_of
from tests.support.messages import GET, OK, get, post, status
from tests.support.proxy_fixture import OpenStage, ProxyFixture
from tests.support.raw_http import RawConnection
from tests.support.wait import wait_until_async
from tests.unit.proxy.test_session_fields import COOKIE
from tests.unit.proxy.test_websockets import HANDSHAKE

SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def capped(open_stage: OpenStage, backends: int = 1, limit: int = 1, **how: object) -> ProxyFixture:
    return await open_stage(backends, **{"max_in_flight": limit, "queue": QueueConfig(), **how})


async def waits(stage: ProxyFixture, request: bytes = GET) -> RawConnection:
    """A client whose request waits."""
    before, client = stage.queue.queued, await stage.client()
    await client.send(request)
    await wait_until_async(lambda: stage.queue.queued > before)
    return client


class Busy:
    """Backends that take a moment for each request, and count; `most`: at once at one of them, `paths`: in order."""

    def __init__(self, moment: float = 0.002) -> None:
        self.most = 0
        self.paths: list[int] = []
        self._moment = moment

    def script(self) -> Script:
        at_once = 0

        async def serve(wire: RawConnection) -> None:
            nonlocal at_once
            while True:
                head = await wire.head()
                at_once += 1
                self.most = max(self.most, at_once)
                self.paths.append(int(head.split(b" ")[1][1:]))
                await asyncio.sleep(self._moment)
                at_once -= 1
                await wire.send(OK)

        return serve


async def test_what_is_beyond_waits_and_the_first_that_is_free_serves_it(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, 2)
    first, second = [await stage.client() for _ in range(2)]
    await first.send(GET)
    one = await stage.backends[0].accept()
    await second.send(GET)
    other = await stage.backends[1].accept()
    third, fourth = await waits(stage), await waits(stage)
    assert [backend.in_flight for backend in stage.pool.backends] == [1, 1]
    await other.head()
    await other.send(OK)
    assert stage.backends[1].address.encode() in await second.until(b"ok")
    await other.head()
    await other.send(OK)
    assert stage.backends[1].address.encode() in await third.until(b"ok")
    await other.head()
    await one.head()
    await one.send(OK)
    await other.send(OK)
    assert stage.backends[0].address.encode() in await first.until(b"ok")
    assert stage.backends[1].address.encode() in await fourth.until(b"ok")
    assert stage.queue.queued == 0


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
async def test_no_backend_ever_has_two_and_all_are_served(open_stage: OpenStage, policy: Callable[[], object]) -> None:
    stage, busy = await capped(open_stage, 4, policy=policy), Busy()
    for backend in stage.backends:
        backend.play(busy.script())

    async def ask_five_times(client: RawConnection) -> None:
        for _ in range(5):
            await client.send(get("/0"))
            assert status(await client.until(b"ok")) == 200

    await asyncio.gather(*[ask_five_times(await stage.client()) for _ in range(40)])
    assert (busy.most, len(busy.paths)) == (1, 200)
    assert [backend.in_flight for backend in stage.pool.backends] == [0] * 4


async def test_first_come_first_served(open_stage: OpenStage) -> None:
    stage, busy = await capped(open_stage), Busy(0)
    blocking, _ = await stage.ask(GET)
    clients = [await waits(stage, get(f"/{number}")) for number in range(40)]
    stage.backend.play(busy.script())
    await stage.backend.wires[0].head()
    await stage.backend.wires[0].send(OK)
    assert status(await blocking.until(b"ok")) == 200
    newcomer = await stage.client()
    await newcomer.send(get("/40"))
    stage.backend.wires[0].close()
    for client in [*clients, newcomer]:
        assert status(await client.until(b"ok")) == 200
    assert busy.paths == list(range(41))


async def test_d13_after_its_time_it_is_a_503_with_retry_after(open_stage: OpenStage) -> None:
    stage = await capped(open_stage)
    await stage.ask(GET)
    client = await waits(stage)
    stage.seconds_pass(31)
    head = await client.head()
    assert status(head) == 503
    assert b"Retry-After: 1\r\n" in head
    assert b"X-Composectl-Error: backends-busy\r\n" in head
    assert (stage.queue.queued, stage.pool.leases.failed_for) == (0, {"backends-busy": 1})


async def test_without_a_queue_it_is_a_503_at_once(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, queue=QueueConfig(0))
    await stage.ask(GET)
    client = await stage.client()
    await client.send(GET)
    assert b"X-Composectl-Error: backends-busy\r\n" in await client.head()


async def test_one_that_leaves_while_it_waits_frees_no_place(open_stage: OpenStage) -> None:
    stage = await capped(open_stage)
    _, backend = await stage.ask(GET)
    leaver, stayer = await waits(stage), await waits(stage)
    leaver.close()
    await wait_until_async(lambda: stage.queue.queued == 1)
    await backend.head()
    await backend.send(OK)
    await backend.head()
    await backend.send(OK)
    assert status(await stayer.until(b"ok")) == 200
    assert stage.pool.leases.requests == 2


async def test_one_that_leaves_while_it_is_served_frees_its_place(open_stage: OpenStage) -> None:
    stage = await capped(open_stage)
    leaver, _ = await stage.ask(GET)
    client = await waits(stage)
    leaver.close()
    backend = await stage.backend.accept()
    await backend.head()
    await backend.send(OK)
    assert status(await client.until(b"ok")) == 200


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_backend_that_comes_takes_those_that_wait(open_stage: OpenStage, limit: int) -> None:
    stage = await capped(open_stage, 2, limit)
    stage.observe([0])
    for _ in range(limit):
        await stage.ask(GET)
    clients = [await waits(stage) for _ in range(limit + 1)]
    stage.backends[1].play(answers(OK))
    stage.observe([0, 1])
    for client in clients:
        assert stage.backends[1].address.encode() in await client.until(b"ok")


# Attempts that fail


async def test_a_request_that_its_only_backend_refuses_comes_to_it_again(open_stage: OpenStage) -> None:
    stage = await capped(open_stage)
    stage.backend.refuse()
    clients = [await waits(stage, request) for request in (GET, post(b"hello"), GET)]
    assert stage.phases() == ["unhealthy"]
    stage.backend.listen_again()
    stage.backend.play(answers(OK))
    stage.pool.checked(stage.pool.backends[0], None)
    assert [status(await client.until(b"ok")) for client in clients] == [200] * 3
    assert (stage.pool.leases.requests, stage.pool.leases.counters().failed) == (3, 0)


async def test_a_request_that_a_backend_dropped_waits_for_another_one(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, 2)
    client, dropping = await stage.ask(GET)
    other = await stage.client()
    await other.send(GET)
    busy = await stage.backends[1].accept()
    await dropping.head()
    dropping.reset()
    await wait_until_async(lambda: stage.queue.queued == 1)
    stage.backends[0].play(answers(OK))
    newcomer = await stage.client()
    await newcomer.send(GET)  # its place at the first backend is free meanwhile
    assert stage.backends[0].address.encode() in await newcomer.until(b"ok")
    await busy.head()
    await busy.send(OK)
    await other.until(b"ok")
    await busy.head()
    await busy.send(OK)
    assert stage.backends[1].address.encode() in await client.until(b"ok")
    counters = stage.pool.leases.counters()
    assert (stage.pool.leases.requests, counters.retried, counters.failed, counters.in_flight) == (3, 1, 0, 0)


async def test_a_backend_that_drops_every_request_gets_no_more_than_the_retries(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, queue=QueueConfig(5))

    async def drops(wire: RawConnection) -> None:
        await wire.head()
        wire.close()

    stage.backend.play(drops)
    client = await stage.client()
    await client.send(GET)
    assert status(await client.head()) == 502
    assert len(stage.backend.wires) == 3


# Clients that want a certain backend


async def test_a_session_waits_for_its_backend_and_others_pass(open_stage: OpenStage) -> None:
    cookies = OwnCookie(TokenSessions(b"k" * 32, 30), b"visit")
    stage = await capped(open_stage, 2, session_fields=cookies)
    client, home = await stage.ask(GET)
    await home.head()
    await home.send(OK)
    found = COOKIE.search(await client.head())
    assert found is not None
    await client.exactly(2)
    mine = get("/", f"Cookie: visit={found[1].decode()}")
    await client.send(mine)
    await home.head()
    second = await waits(stage, mine)
    stage.backends[1].play(answers(OK))
    for _ in range(3):
        newcomer = await stage.client()
        await newcomer.send(GET)
        assert stage.backends[1].address.encode() in await newcomer.head()
    assert stage.queue.queued == 1
    await home.send(OK)
    await home.head()
    await home.send(OK)
    assert stage.backends[0].address.encode() in await second.head()
    assert stage.pool.leases.sessions is not None
    assert stage.pool.leases.sessions.moved == 0


async def test_a_pinned_request_waits_for_its_replica(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, 2, limits=Limits(allow_pin=True))
    pinned = get("/", "X-Composectl-Replica: 1")
    client, backend = await stage.ask(pinned)
    second = await waits(stage, pinned)
    await backend.head()
    await backend.send(OK)
    await client.until(b"ok")
    await backend.head()
    await backend.send(OK)
    assert stage.backends[0].address.encode() in await second.until(b"ok")
    missing = await stage.client()
    await missing.send(get("/", "X-Composectl-Replica: 3"))
    assert b"X-Composectl-Error: no-such-replica\r\n" in await missing.head()


# Streams, tunnels and connections


async def test_streams_of_one_connection_are_capped_alike(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, 2)
    started: list[Http2Wire] = []
    both = asyncio.Barrier(2)

    async def serve(wire: Http2Wire) -> None:
        for number in range(2):
            asked = await wire.request(number)
            started.append(wire)
            await both.wait()  # the one that is free first would get both that wait
            await wire.answer(asked.stream_id, OK_FIELDS, b"ok")

    client = await http2(stage)
    streams = [await client.ask(GET_FIELDS) for _ in range(4)]
    await wait_until_async(lambda: stage.queue.queued == 2)
    assert [backend.in_flight for backend in stage.pool.backends] == [1, 1]
    for backend in stage.backends:
        backend.play(speaks_http2(serve))
    for stream in streams:
        assert (await client.until_over(stream)).status == 200
    assert len(started) == 4


async def test_a_tunnel_takes_a_place_until_it_ends(open_stage: OpenStage) -> None:
    stage = await capped(open_stage)
    client, backend = await stage.ask(get("/chat", *HANDSHAKE))
    await backend.head()
    await backend.send(SWITCHES)
    await client.head()
    second = await waits(stage)
    stage.backend.play(answers(OK))
    client.close()
    backend.close()
    assert status(await second.until(b"ok")) == 200


async def test_a_connection_takes_a_place_until_it_ends(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, protocol=Protocol.TCP)
    client = await stage.client()
    first = await stage.backend.accept()
    waiting = await stage.client()
    await waiting.send(b"hello")
    await wait_until_async(lambda: stage.queue.queued == 1)
    client.close()
    first.close()
    second = await stage.backend.accept()
    assert await second.exactly(5) == b"hello"


async def test_a_wire_is_opened_for_each_of_two_at_once(open_stage: OpenStage) -> None:
    stage = await capped(open_stage, limit=2)
    client = await http2(stage)
    for _ in range(3):
        await client.ask(GET_FIELDS)
    await wait_until_async(lambda: stage.queue.queued == 1)
    wire = await wire_of(stage)
    for number in range(2):
        await wire.answer((await wire.request(number)).stream_id, OK_FIELDS)
    await wire.answer((await wire.request(2)).stream_id, OK_FIELDS)
    assert stage.pool.backends[0].requests == 3
